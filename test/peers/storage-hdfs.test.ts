import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expandInputs, hdfsStorage, openOutputSet, readBytes, readWhole, storageFor, withOutputSet, writeBytes, writeText } from '@millrace/core'
import { afterAll, describe, expect, test } from 'vitest'
import { foldersConform } from '../conformance/folders.js'
import { storageConformance } from '../conformance/storage.js'
import { temporaryNames, writersConformAt } from '../conformance/writing.js'
import { bytesOf } from '../support/bytes.js'
import { errorOf } from '../support/error-of.js'
import { describeHdfs, startHdfs, type HdfsTestCluster } from '../support/hdfs-cluster.js'
import { useStoragePeer } from '../support/storage-peer.js'

/** Of the cluster. */
const BLOCK_BYTES = 1 << 20
const PART_BYTES = BLOCK_BYTES / 2

/** The name service of the two name nodes, as Hadoop's own clients are told of it. */
const writeConfig = (folder: string, ports: readonly number[]): string => {
  const properties = {
    'dfs.nameservices': 'mill',
    'dfs.ha.namenodes.mill': 'one,two',
    'dfs.namenode.http-address.mill.one': `\${our.host}:${ports[0]}`,
    'dfs.namenode.http-address.mill.two': `\${our.host}:${ports[1]}`,
    'our.host': 'localhost',
  }
  const xml = (entries: readonly (readonly [string, string])[]): string =>
    `<?xml version="1.0"?>\n<configuration>\n<!-- <property><name>dfs.nameservices</name><value>other</value></property> -->\n${entries.map(([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`).join('\n')}\n</configuration>\n`
  const config = join(folder, 'config')
  mkdirSync(config)
  writeFileSync(join(config, 'core-site.xml'), xml([['fs.defaultFS', 'hdfs://mill']]))
  writeFileSync(join(config, 'hdfs-site.xml'), xml(Object.entries(properties)))
  return config
}

describeHdfs('HDFS', 'ha', () => {
  let cluster: HdfsTestCluster
  let config = ''
  let folders = 0
  const options = () => ({ configFolder: config, user: 'alice', partBytes: PART_BYTES })
  const { readersConform } = useStoragePeer({
    start: async () => {
      cluster = await startHdfs('ha')
      config = writeConfig(cluster.folder, cluster.ports)
    },
    stop: async () => cluster?.stop(),
    storages: () => (['hdfs', 'webhdfs'] as const).map((scheme) => hdfsStorage({ scheme, ...options() })),
    environment: () => ({ HADOOP_CONF_DIR: config, HADOOP_USER_NAME: 'alice' }),
  })

  const newFolder = (): string => `hdfs://mill/test/${folders++}`
  /** Asks the name node that is active first. */
  const web = async (method: string, path: string, query: string): Promise<unknown> => {
    const response = await fetch(`http://localhost:${cluster.ports[0]}/webhdfs/v1${path}?user.name=alice&${query}`, { method })
    const text = await response.text()
    return text === '' ? undefined : (JSON.parse(text) as unknown)
  }
  const namesIn = async (url: string): Promise<readonly string[]> => {
    const answer = (await web('GET', url.replace(/^hdfs:\/\/mill/, ''), 'op=LISTSTATUS')) as { FileStatuses: { FileStatus: { pathSuffix: string }[] } }
    return answer.FileStatuses.FileStatus.map(({ pathSuffix }) => pathSuffix)
  }

  readersConform({
    scheme: 'hdfs', cuts: 6, silence: () => cluster.silence(),
    put: async (name, bytes) => {
      await writeBytes(`hdfs://mill/reading/${name}`, bytes)
      return `hdfs://mill/reading/${name}`
    },
  })

  storageConformance({ name: 'hdfs', folder: async () => newFolder() })
  writersConformAt({ scheme: 'hdfs', folder: async () => newFolder(), partBytes: PART_BYTES, unfinished: temporaryNames, options })
  foldersConform('hdfs', async () => newFolder(), ['CSV', 'TFRecord'])

  describe('urls', () => {
    test('name a name service, a name node, or neither', async () => {
      const url = `${newFolder()}/file`
      await writeText(url, 'text')
      const path = url.replace('hdfs://mill', '')
      for (const other of [`hdfs://${path}`, `webhdfs://mill${path}`, `webhdfs://localhost:${cluster.ports[0]}${path}`]) expect(Buffer.from(await readWhole(other)).toString()).toBe('text')
    })

    test('cannot have a colon in a name, which HDFS does not allow', async () => {
      const folder = newFolder()
      expect(await errorOf(() => writeText(`${folder}/a:b`, ''))).toMatchObject({ _tag: 'Usage', code: 'HDFS_INVALID_PATH' })
    })

    test('of folders are none of files, for reading and for writing', async () => {
      const folder = newFolder()
      await writeText(`${folder}/sub/file`, '')
      expect(await errorOf(() => readWhole(`${folder}/sub`))).toMatchObject({ _tag: 'Storage', code: 'EISDIR' })
      expect(await errorOf(() => writeText(`${folder}/sub`, '', { ifExists: 'replace' }))).toMatchObject({ _tag: 'AlreadyExists', code: 'OUTPUT_IS_FOLDER' })
      expect(await errorOf(() => writeText(`${folder}/sub/file/more`, ''))).toMatchObject({ _tag: 'Storage', code: 'HDFS_PARENT_NOT_DIRECTORY' })
    })
  })

  test('pages of a listing lead to every file, whatever its name', async () => {
    const folder = newFolder()
    // The cluster gives four at once, and sorts by bytes; one of these stands at the end of each page.
    const names = Array.from({ length: 11 }, (_, i) => [`a+${i}`, `a%20${i}`, `a ${i}`, `ü${i}`]).flat()
    await Promise.all(names.map((name) => writeText(`${folder}/${name}`, '')))
    expect((await storageFor(folder).list!(`${folder}/*`)).map(({ url }) => url.slice(folder.length + 1))).toEqual([...names].sort())
  })

  test('files of many blocks and parts come back as they were', async () => {
    const url = `${newFolder()}/file`
    const bytes = bytesOf(5 * BLOCK_BYTES + 4321)
    await withOutputSet([url], {}, async ([output]) => {
      for (let at = 0; at < bytes.length; at += 100_001) await output!.write(bytes.subarray(at, at + 100_001))
    })
    expect(bytes.equals(await readWhole(url))).toBe(true)
  })

  test.each([1, 5, 20, 50, 100, 300])('an abort after %i ms of writing leaves nothing, and ends what is under way', async (after) => {
    const folder = newFolder()
    await writeText(`${folder}/before`, '')
    const controller = new AbortController()
    const writing = withOutputSet([`${folder}/a`, `${folder}/b`], { signal: controller.signal }, async (outputs) => {
      for (;;) for (const output of outputs) await output.write(bytesOf(BLOCK_BYTES))
    })
    setTimeout(() => controller.abort(), after)
    expect(await errorOf(() => writing)).toMatchObject({ _tag: 'Aborted' })
    expect(await namesIn(folder)).toEqual(['before'])
    expect(await cluster.tell('open-files')).toBe('0')
  })

  describe('who is not allowed', () => {
    test('is told what and by whose name, and leaves nothing', async () => {
      const folder = newFolder()
      await writeText(`${folder}/file`, 'secret')
      await web('PUT', folder.replace('hdfs://mill', ''), 'op=SETPERMISSION&permission=700')
      const bob = hdfsStorage({ configFolder: config, user: 'bob' })
      const read = async (): Promise<void> => {
        for await (const chunk of bob.read(`${folder}/file`)) expect(chunk).toBeUndefined()
      }
      for (const work of [read, () => bob.stat(`${folder}/file`), () => bob.create!(`${folder}/new`, { ifExists: 'fail' }), () => bob.list!(`${folder}/*`), () => bob.remove!(`${folder}/file`)]) {
        expect(await errorOf(work)).toMatchObject({ _tag: 'Storage', code: 'HDFS_ACCESS_CONTROL', message: expect.stringMatching(/user=bob.*HADOOP_USER_NAME/) as string })
      }
      expect(await namesIn(folder)).toEqual(['file'])
    })

    test('may be another in the environment', async () => {
      const folder = newFolder()
      process.env['HADOOP_USER_NAME'] = 'carol'
      try {
        const storage = hdfsStorage({ configFolder: config })
        const output = await storage.create!(`${folder}/file`, { ifExists: 'fail' })
        await output.commit()
      } finally {
        delete process.env['HADOOP_USER_NAME']
      }
      const { FileStatus } = (await web('GET', `${folder.replace('hdfs://mill', '')}/file`, 'op=GETFILESTATUS')) as { FileStatus: { owner: string } }
      expect(FileStatus.owner).toBe('carol')
    })

    test('is out of space where a quota is used up', async () => {
      const folder = newFolder()
      await writeText(`${folder}/file`, 'text')
      const path = folder.replace('hdfs://mill', '')
      await cluster.tell('quota', path, 2, Number.MAX_SAFE_INTEGER)
      expect(await errorOf(() => writeText(`${folder}/other`, ''))).toMatchObject({ _tag: 'Storage', code: 'HDFS_NSQUOTA_EXCEEDED' })
      await cluster.tell('quota', path, 100, 5 * BLOCK_BYTES)
      expect(await errorOf(() => writeBytes(`${folder}/other`, bytesOf(4 * BLOCK_BYTES)))).toMatchObject({ _tag: 'Storage', code: 'HDFS_DSQUOTA_EXCEEDED' })
      expect(await namesIn(folder)).toEqual(['file'])
    })
  })

  test('a file that is replaced while it is read is not read on', async () => {
    const url = `${newFolder()}/file`
    await writeBytes(url, bytesOf(8 * BLOCK_BYTES))
    const read = async (): Promise<void> => {
      let first = true
      for await (const chunk of readBytes(url)) {
        expect(chunk.length).toBeGreaterThan(0)
        if (!first) continue
        first = false
        await writeBytes(url, bytesOf(BLOCK_BYTES), { ifExists: 'replace' })
        // Its blocks go with the next report of the data nodes.
        await cluster.tell('bounce-datanodes')
      }
    }
    expect(await errorOf(read)).toMatchObject({ _tag: 'Storage', code: 'HDFS_FILE_CHANGED' })
  })

  describe('another name node becomes the active one', () => {
    afterAll(() => cluster.tell('active', 0))

    test('in mid-read', async () => {
      const url = `${newFolder()}/file`
      const bytes = bytesOf(6 * BLOCK_BYTES)
      await writeBytes(url, bytes)
      const read: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
        for await (const chunk of readBytes(url, { start: at, end: at + BLOCK_BYTES })) read.push(chunk)
        if (at === 2 * BLOCK_BYTES) await cluster.tell('active', 1)
        if (at === 4 * BLOCK_BYTES) await cluster.tell('active', 0)
      }
      expect(Buffer.concat(read).equals(bytes)).toBe(true)
    })

    test('in mid-write, between parts and within them', async () => {
      const folder = newFolder()
      const bytes = bytesOf(8 * BLOCK_BYTES)
      const set = await openOutputSet([`${folder}/file`])
      await set.outputs[0]!.write(bytes.subarray(0, 3 * BLOCK_BYTES))
      await cluster.tell('active', 1)
      await set.outputs[0]!.write(bytes.subarray(3 * BLOCK_BYTES, 4 * BLOCK_BYTES))
      const [, told] = await Promise.all([set.outputs[0]!.write(bytes.subarray(4 * BLOCK_BYTES)), cluster.tell('active', 0)])
      expect(told).toBe('')
      await set.commit()
      expect(bytes.equals(await readWhole(`${folder}/file`))).toBe(true)
      expect(await namesIn(folder)).toEqual(['file'])
    })

    test('only after a while in which none is', async () => {
      const url = `${newFolder()}/file`
      await cluster.tell('standby', 0)
      const [, told] = await Promise.all([writeText(url, 'text'), pause(500).then(() => cluster.tell('active', 1))])
      expect(told).toBe('')
      expect(Buffer.from(await readWhole(url)).toString()).toBe('text')
      await cluster.tell('active', 0)
    })
  })

  test('a name node in safe mode is waited for', async () => {
    const url = `${newFolder()}/file`
    await cluster.tell('safemode', 'on')
    const [, told] = await Promise.all([writeText(url, 'text'), pause(500).then(() => cluster.tell('safemode', 'off'))])
    expect(told).toBe('')
    expect(Buffer.from(await readWhole(url)).toString()).toBe('text')
  })

  test('data nodes that fail in mid-read and mid-write are done without', async () => {
    const folder = newFolder()
    const bytes = bytesOf(8 * BLOCK_BYTES)
    await writeBytes(`${folder}/file`, bytes)
    const set = await openOutputSet([`${folder}/written`])
    await set.outputs[0]!.write(bytes.subarray(0, 2 * BLOCK_BYTES))
    const read: Uint8Array[] = []
    for await (const chunk of readBytes(`${folder}/file`)) {
      if (read.length === 0) await cluster.tell('stop-datanode', 0)
      read.push(chunk)
    }
    expect(Buffer.concat(read).equals(bytes)).toBe(true)
    await set.outputs[0]!.write(bytes.subarray(2 * BLOCK_BYTES))
    await set.commit()
    await cluster.tell('start-datanode')
    expect(bytes.equals(await readWhole(`${folder}/written`))).toBe(true)
    expect((await expandInputs(folder)).map(({ size }) => size)).toEqual([bytes.length, bytes.length])
  })
})
