import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { hasTag, isMillraceError } from '@millrace/core'
import type { TextCompression } from '../../packages/formats/src/compression/compression.js'
import { inflated } from '../../packages/formats/src/compression/inflated.js'
import { skippableFrame, zstdFrame } from '../support/zstd-frames.js'
import { orTyped, type FuzzedDecoder } from './fuzzed.js'

/** Inputs have kilobytes: what grows beyond this is cut off, so that an input takes milliseconds. */
const MAX_INFLATED_BYTES = 8 * 2 ** 20

const words = Buffer.from(Array.from({ length: 400 }, (_, i) => `word${(i * 7919) % 50},${i * i};`).join('\n'))
const texts = [words, Buffer.alloc(0), Buffer.alloc(100_000), Buffer.from(Uint8Array.from({ length: 700 }, (_, i) => (i * i * 31) >> 3))]

/** The first 120 of these words, packed by zstd 1.5 (`zstd -19 --check`): literals by Huffman's codes, sequences, a checksum. */
const compressedFrame = Buffer.from(
  'KLUv/QRoFQ0A9lk0EdBlOGWNFgQ5Ukq5U0qZ0RQjLwAuAC4Aq39hike+Xk+dO3TvhuKEws3PUVmugouTxstany3eOXTDhZPW5iNzRUAgFgLCoBDEDYcj4arCRQeO59oSc+XucgPJSXDTBkeUWkXUoj' +
  'TO6pkpu2zoDJPqsPHpI/4BY0gNM2y4Bw4x1Ofy33+8TB6Lb7umw9WgbqYjh3TFoYt4Rz/cldHOJ7s3uqE4cQEKzzLFvGlWOeVQuiyJFPJkyZEUlOCDDUaQSurVWhEJnUqkmplhPJ0YkpFBLpV3qBAQ' +
  'zOxmDKAoEBGS8QEQEIFSTOYDlraSSaknoZJGJA9SfIQmn9roMDKxKFPEiRoi36FGQ2ChR0j19ec66ePvz+f6+DsPqiA/UCj0f5Yf5T4EfG6P19N5OJ7e8Xa6DqbzMMfk9DgMp98Y3fQ2eM05jZ7pZX' +
  'DMP4zmfUO8XS17VqwsbwMnzrXblv2s/mE1As+/vtyT8CIGWp/5rV8IXW/SxxaeUGC3dke143VBt6t5nE/qSDPv+osH7jh5VPK+zZT704oKN1PPAvTS4gloCn8I3q0=',
  'base64',
)

async function* chunksOf(input: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const step = input.length % 3 === 0 ? 7 : input.length
  for (let at = 0; at < input.length; at += step) yield input.subarray(at, at + step)
}

type Packed = Exclude<TextCompression, 'none'>

const packed = (name: string, kind: Packed, sound: () => readonly Uint8Array[]): FuzzedDecoder => ({
  name,
  sound,
  decode: (input) =>
    orTyped(async () => {
      let bytes = 0
      for await (const chunk of inflated(chunksOf(input), kind, name, { maxInflatedBytes: MAX_INFLATED_BYTES })) bytes += chunk.length
      if (bytes > MAX_INFLATED_BYTES) throw new Error(`${bytes} bytes came out, and ${MAX_INFLATED_BYTES} are the limit`)
    }),
})

/** What comes out, and the code of the error that ends it. */
const outcome = async (input: Uint8Array, kind: Packed, byNode: boolean): Promise<{ readonly bytes: Buffer; readonly error: unknown }> => {
  const chunks: Uint8Array[] = []
  let error: unknown
  try {
    for await (const chunk of inflated(chunksOf(input), kind, kind, { maxInflatedBytes: MAX_INFLATED_BYTES, byNode })) chunks.push(chunk)
  } catch (thrown) {
    error = thrown
  }
  return { bytes: Buffer.concat(chunks), error }
}

const codeOf = (error: unknown): string => (isMillraceError(error) ? error.code : String(error))

/** Also inflated by Node, which has to come to the same bytes and the same verdict. */
const judgedByNode = (decoder: FuzzedDecoder, kind: Packed): FuzzedDecoder => ({
  ...decoder,
  decode: async (input) => {
    await decoder.decode(input)
    const [ours, node] = [await outcome(input, kind, false), await outcome(input, kind, true)]
    // Where both fail, what is given before that depends on buffers, and with it which comes first, damage or the limit.
    if (hasTag(ours.error, 'Limit') || hasTag(node.error, 'Limit')) return
    if (codeOf(ours.error) !== codeOf(node.error)) throw new Error(`${codeOf(ours.error)}, and Node says ${codeOf(node.error)}`)
    const { length } = node.bytes
    if (node.error === undefined ? !ours.bytes.equals(node.bytes) : !ours.bytes.subarray(0, length).equals(node.bytes)) throw new Error('other bytes came out than of Node')
  },
})

/** Of texts and TFRecords, as they are inflated below every reader. */
export const packedDecoders: readonly FuzzedDecoder[] = [
  judgedByNode(packed('gzip', 'gzip', () => [...texts.map((one) => gzipSync(one)), Buffer.concat([gzipSync(words), gzipSync(words)])]), 'gzip'),
  judgedByNode(packed('zlib', 'zlib', () => texts.flatMap((one) => [deflateSync(one), deflateSync(one, { strategy: constants.Z_FIXED })])), 'zlib'),
  packed('brotli', 'br', () => texts.map((one) => brotliCompressSync(one))),
  packed('zstd', 'zst', () => [
    compressedFrame,
    zstdFrame([words.subarray(0, 1000), { byte: 65, times: 900 }, words.subarray(1000)]),
    Buffer.concat([skippableFrame(Buffer.from('left out')), zstdFrame([words], { checksum: false }), zstdFrame([{ byte: 0, times: 100_000 }])]),
  ]),
]
