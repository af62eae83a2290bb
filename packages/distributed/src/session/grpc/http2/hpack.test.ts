import { describe, expect, test } from 'vitest'
import { encodeHeaders } from './hpack-encoder.js'
import { HeaderDecoder } from './hpack-decoder.js'
import { ProtocolError } from './error-code.js'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const LIMIT = 65_536

/** Decodes blocks one after another, as those of one connection. */
const decoded = (...blocks: readonly string[]): (readonly (readonly [string, string])[] | undefined)[] => {
  const decoder = new HeaderDecoder(LIMIT)
  return blocks.map((block) => {
    const headers = decoder.decode(bytes(block))
    return headers === undefined ? undefined : [...headers]
  })
}

/** The table of 256 bytes that the RFC's responses use, announced as an encoder would. */
const TABLE_OF_256 = '3fe101'

const first = [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'www.example.com']]
const requests = [first, [...first, ['cache-control', 'no-cache']], [[':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'], [':authority', 'www.example.com'], ['custom-key', 'custom-value']]]

const date = (second: number): string => `Mon, 21 Oct 2013 20:13:${second} GMT`
const location = ['location', 'https://www.example.com']
const responses = [
  [[':status', '302'], ['cache-control', 'private'], ['date', date(21)], location],
  [[':status', '307'], ['cache-control', 'private'], ['date', date(21)], location],
  [[':status', '200'], ['cache-control', 'private'], ['date', date(22)], location, ['content-encoding', 'gzip'], ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1']],
]

describe('the examples of RFC 7541, appendix C', () => {
  test('C.2: single headers', () => {
    expect(decoded('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572')).toEqual([[['custom-key', 'custom-header']]])
    expect(decoded('040c 2f73 616d 706c 652f 7061 7468')).toEqual([[[':path', '/sample/path']]])
    expect(decoded('1008 7061 7373 776f 7264 0673 6563 7265 74')).toEqual([[['password', 'secret']]])
    expect(decoded('82')).toEqual([[[':method', 'GET']]])
  })

  test('C.3: requests without Huffman codes', () => {
    expect(decoded(
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', '8286 84be 5808 6e6f 2d63 6163 6865', '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    )).toEqual(requests)
  })

  test('C.4: requests with Huffman codes', () => {
    expect(decoded(
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', '8286 84be 5886 a8eb 1064 9cbf', '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    )).toEqual(requests)
  })

  test('C.5: responses without Huffman codes, that drop headers from their table', () => {
    expect(decoded(
      `${TABLE_OF_256}4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    )).toEqual(responses)
  })

  test('C.6: responses with Huffman codes, that drop headers from their table', () => {
    expect(decoded(
      `${TABLE_OF_256}4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    )).toEqual(responses)
  })
})

describe('an encoder', () => {
  const headers = [[':method', 'POST'], [':path', `/${'long'.repeat(100)}`], ['te', 'trailers'], ['grpc-timeout', '10m']] as const

  test('makes blocks that mean the same each time, whatever came before', () => {
    const decoder = new HeaderDecoder(LIMIT)
    const block = encodeHeaders(headers)
    decoder.decode(bytes('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'))
    for (let i = 0; i < 3; i++) expect([...decoder.decode(block)!]).toEqual(headers)
  })
})

describe('blocks that are none', () => {
  const refuse = (hex: string): void => expect(() => decoded(hex), hex).toThrow(ProtocolError)

  test.each([
    ['an index of nothing', '80'], ['an index beyond the table', 'be'], ['a name beyond the table', '7f 00 01 61'], ['a number without end', 'ffffffffffffffffffff'],
    ['a number that is too large', 'ff ffffffff 7f'], ['a length that is too large', '00 7f ffffff7f 61'], ['a table larger than allowed', '3fe21f'], ['another size of the table midway', '82 20'],
    ['a Huffman code that is cut off', '04 81 00'], ['padding of a whole byte', '04 82 1fff'], ['the end of a string within it', '04 84 ffffffff'],
  ])('%s', (_, hex) => refuse(hex))

  test('are found at every place where one is cut off', () => {
    const whole = bytes('400a 6375 7374 6f6d 2d6b 6579 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff')
    expect(decoded(whole.toString('hex'))).toEqual([[['custom-key', 'www.example.com']]])
    for (let length = 1; length < whole.length; length++) refuse(whole.subarray(0, length).toString('hex'))
  })
})

test('headers beyond the limit are not kept, and those that follow can be read', () => {
  const decoder = new HeaderDecoder(1000)
  const long = encodeHeaders([['a', 'x'.repeat(2_000)]]).subarray(1)
  expect(decoder.decode(bytes('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'))?.size).toBe(1)
  expect(decoder.decode(long)).toBeUndefined()
  // Small on the wire, and large when it has been read.
  expect(decoder.decode(Buffer.alloc(60_000, 0xbe))).toBeUndefined()
  expect([...decoder.decode(bytes('be'))!]).toEqual([['custom-key', 'custom-header']])
})

test('a header that came several times has its values one after another', () => {
  expect(decoded(encodeHeaders([['a', '1'], ['b', '2'], ['a', '3']]).toString('hex'))).toEqual([[['a', '1, 3'], ['b', '2']]])
})
