import { describe, expect, it } from 'vitest'
import { queryDigest } from './query-digest.js'

const base = 'https://files.example/export'
const digest = (query: string): string | undefined => queryDigest(`${base}?${query}`)

describe('the digest of a query', () => {
  it('is of links of http alone, and short', () => {
    for (const other of ['x.csv?a=1', 's3://bucket/key?a=1', '/a?b', 'http://[bad']) expect(queryDigest(other)).toBeUndefined()
    expect(queryDigest(base)).toBe('')
    expect(queryDigest(`${base}#part`)).toBe('')
    expect(digest('file=a.csv')).toMatch(/^[0-9a-f]{8}$/)
  })

  it('tells files apart, and not the order of parameters', () => {
    const names = ['file=a', 'file=b', 'file=a&file=b', 'file=b&version=2', 'id=1', '1', 'x=1%26y%3D2', 'x=1&y=2', 'st=2026&page=1', 'policy=strict', 'key=a', 'page_token=a', 'sid=1', 'exp=2']
    expect(new Set(names.map(digest)).size).toBe(names.length)
    expect(digest('b=2&a=1')).toBe(digest('a=1&b=2'))
    expect(queryDigest('https://other.example/export?file=a')).not.toBe(digest('file=a'))
  })

  it.each([
    ['X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20261126&X-Amz-Date=20261126T090000Z&X-Amz-Expires=900&X-Amz-Security-Token=t&X-Amz-SignedHeaders=host&X-Amz-Signature=aa'],
    ['AWSAccessKeyId=AK&Expires=1764147600&Signature=abc'],
    ['X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a&X-Goog-Date=20261126T090000Z&X-Goog-Expires=900&X-Goog-SignedHeaders=host&X-Goog-Signature=aa'],
    ['GoogleAccessId=a%40b&Expires=1764147600&Signature=abc'],
    ['sv=2024-11-04&ss=b&srt=o&sr=b&sp=r&st=2026-11-26T09%3A00%3A00Z&se=2026-11-26T10%3A00%3A00Z&spr=https&skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sig=abc'],
    ['Policy=abc&Key-Pair-Id=K1&Signature=abc'], ['OSSAccessKeyId=a&Expires=1&Signature=b&security-token=t'], ['q-sign-algorithm=sha1&q-ak=a&q-sign-time=1%3B2&q-key-time=1%3B2&q-header-list=host&q-url-param-list=&q-signature=s'],
    ['hdnts=exp%3D1~hmac%3Da'], ['token=abc'], ['access_token=abc'], ['api_key=abc'], ['apikey=abc'], ['__token__=abc'], ['jwt=abc'],
  ])('leaves out what signs a link: %s', (signed) => {
    expect(digest(signed)).toBe('')
    expect(digest(`versionId=3&${signed}`)).toBe(digest('versionId=3'))
    expect(digest(`versionId=4&${signed}`)).not.toBe(digest('versionId=3'))
  })
})
