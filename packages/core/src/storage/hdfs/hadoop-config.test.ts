import { describe, expect, it } from 'vitest'
import { listOf, parseHadoopXml, propertyOf } from './hadoop-config.js'
import { encodePath, parseHdfsUrl } from './hdfs-url.js'
import { nameNodeAddresses, type NameNodeAddresses } from './name-node-addresses.js'

const addresses = (url: string, properties: Readonly<Record<string, string>> = {}): NameNodeAddresses => nameNodeAddresses(parseHdfsUrl(url), new Map(Object.entries(properties)))

describe('urls of HDFS', () => {
  it('are taken as they are, and escaped in requests', () => {
    expect(parseHdfsUrl('webhdfs://Host:9870//a b//c%20?#d')).toEqual({ scheme: 'webhdfs', authority: 'host:9870', path: '/a b/c%20?#d' })
    expect(parseHdfsUrl('hdfs:///x')).toEqual({ scheme: 'hdfs', authority: '', path: '/x' })
    expect(parseHdfsUrl('hdfs://mill')).toMatchObject({ path: '/' })
    expect(encodePath('/a b+c/%20?#;é')).toBe('/a%20b%2Bc/%2520%3F%23%3B%C3%A9')
  })

  it.each(['hdfs:/x', 'http://host/x', 'hdfs://a b/x', 'hdfs://host/a/../b', 'hdfs://host/./b', 'hdfs://host:123456/x', 'hdfs://host/\ud800'])('%j is none', (url) => {
    expect(() => parseHdfsUrl(url)).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'HDFS_BAD_URL' }) as Error)
  })

  it('show no password', () => {
    expect(() => parseHdfsUrl('webhdfs://alice:secret@host/x')).toThrow(/HADOOP_USER_NAME/)
    expect(() => parseHdfsUrl('webhdfs://alice:secret@host/x')).not.toThrow(/secret/)
  })
})

describe("Hadoop's configuration", () => {
  it('is read without comments, with entities and variables', () => {
    const config = parseHadoopXml(`<configuration><!-- <property><name>a</name><value>no</value></property> -->
      <property><name>a</name><value> x&amp;&#65;\${b} </value><final>true</final></property>
      <property><value>\${env.HOME_OF}/\${missing}</value><name>b</name></property>
      <property><name>loop</name><value>\${loop}</value></property>
      <property><name>list</name><value>one, two ,,three</value></property><property><name>cut`)
    expect(propertyOf(config, 'a', { HOME_OF: '/h' })).toBe(`x&A/h/\${missing}`)
    expect(propertyOf(config, 'loop')).toBe(`\${loop}`)
    expect(listOf(config, 'list')).toEqual(['one', 'two', 'three'])
    expect(config.has('cut')).toBe(false)
  })

  it('tells the name nodes of a name service', () => {
    const properties = {
      'dfs.nameservices': 'Mill,other',
      'dfs.ha.namenodes.Mill': 'a,b,c',
      'dfs.namenode.http-address.Mill.a': 'one:5000',
      'dfs.namenode.rpc-address.Mill.b': 'two:8020',
      'dfs.namenode.http-address.Mill.c': '0.0.0.0:5001',
      'dfs.namenode.rpc-address.Mill.c': 'three:8020',
      'fs.defaultFS': 'hdfs://Mill',
    }
    const origins = ['http://one:5000', 'http://two:9870', 'http://three:5001']
    for (const url of ['hdfs://mill/x', 'hdfs:///x', 'webhdfs://Mill/x']) expect(addresses(url, properties).origins).toEqual(origins)
    expect(addresses('hdfs://mill/x', properties).services).toEqual(['ha-hdfs:Mill', 'webhdfs:Mill', 'swebhdfs:Mill', 'two:8020', 'three:8020'])
    expect(addresses('swebhdfs://mill/x', properties).origins).toEqual(['https://two:9871', 'https://three:9871'])
    expect(() => addresses('hdfs://other/x', properties)).toThrow(expect.objectContaining({ code: 'HDFS_NO_ADDRESS' }) as Error)
    expect(() => addresses('hdfs:///x')).toThrow(expect.objectContaining({ code: 'HDFS_NO_DEFAULT' }) as Error)
  })

  it('is not needed for a single name node', () => {
    expect(addresses('webhdfs://host/x').origins).toEqual(['http://host:9870'])
    expect(addresses('webhdfs://[::1]:5000/x').origins).toEqual(['http://[::1]:5000'])
    expect(addresses('swebhdfs://host/x').origins).toEqual(['https://host:9871'])
    expect(addresses('hdfs://host:8020/x')).toEqual({ origins: ['http://host:9870'], services: ['host:8020'] })
    expect(addresses('hdfs://host:8020/x', { 'fs.defaultFS': 'hdfs://host', 'dfs.namenode.http-address': '0.0.0.0:50070' }).origins).toEqual(['http://host:50070'])
    expect(addresses('hdfs://elsewhere/x', { 'fs.defaultFS': 'hdfs://host', 'dfs.namenode.http-address': 'host:50070' }).origins).toEqual(['http://elsewhere:9870'])
  })
})
