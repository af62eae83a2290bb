import { expect, it } from 'vitest'
import { failure, shownUrl } from './index.js'

it.each([
  ['https://host/a/b.csv?X-Amz-Signature=SIGN&token=TOK#frag', 'https://host/a/b.csv'],
  ['HTTP://bob:s3cr3t@host:81/a?b', 'HTTP://host:81/a'],
  ['http://bob@host', 'http://host'],
  ['http:bob:s3cr3t@host/a', 'http:host/a'],
  ['http:\\\\bob:s3cr3t@host\\a', 'http:\\\\host\\a'],
  ['http://bob:a@b@host/x@y?z', 'http://host/x@y'],
  ['http://bob:half?s3cr3t@host/a', 'http://…'],
  ['https://host/what?', 'https://host/what'],
  ['s3://KEY:SECRET@bucket/a?b=c#d', 's3://bucket/a?b=c#d'],
  ['webhdfs://bob:s3cr3t@name-node:9870/a@b', 'webhdfs://name-node:9870/a@b'],
  ['gs://bucket/a?.csv', 'gs://bucket/a?.csv'],
  ['s3://KEY:SEC/RET@bucket/a', 's3://bucket/a'],
  ['hdfs://nn:8020/a@b', 'hdfs://nn:8020/a@b'],
  ['mysql://bob:s3cr3t@db/shop', 'mysql://db/shop'],
  ['mysql://db/shop?password=s3cr3t', 'mysql://db/shop'],
  ['htps://b/f.csv?X-Amz-Signature=SIGN', 'htps://b/f.csv'],
  ['htps:/b/f.csv?X-Amz-Signature=SIGN', 'htps:/b/f.csv'],
  ['abfss://c@acc.dfs.core.windows.net/x.csv?sig=SIGN#a', 'abfss://acc.dfs.core.windows.net/x.csv'],
  [' http://bob:s3cr3t@h/x?t=TOK', 'http://h/x'],
  ['\r\n"https://h/x?t=TOK"\n', 'https://h/x'],
  ['ht\ntp://h/x?t=TOK', 'http://h/x'],
  ['\ufeffs3://KEY:SECRET@bucket/a', 's3://bucket/a'],
  [' data/part-?.csv ', ' data/part-?.csv '],
  ['data/part-?.csv', 'data/part-?.csv'],
  ['C:\\data\\a@b.csv', 'C:\\data\\a@b.csv'],
  ['train@4', 'train@4'],
  ['the rows of a function', 'the rows of a function'],
])('shows %s as %s', (source, shown) => expect(shownUrl(source)).toBe(shown))

it('is how errors show their source, also one that is given later', () => {
  const error = failure({ tag: 'BadRecord', code: 'X', problem: 'p', position: { source: 'https://host/a?token=TOK', byte: 3 } })
  expect(error.position).toEqual({ source: 'https://host/a', byte: 3 })
  expect(error.message).toBe('p (https://host/a, byte 3).')
  expect(failure({ tag: 'BadRecord', code: 'X', problem: 'p' }).at({ source: 'https://host/a?token=TOK' }).message).toBe('p (https://host/a).')
})
