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
  ['mysql://bob:s3cr3t@db/shop', 'mysql://db/shop'],
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
