import { describe, expect, test } from 'vitest'
import { ProtocolError } from './error-code.js'
import { encodeFrame, flag, frameType, writeFrameHeader } from './frame.js'
import { FrameReader, MAX_CONTROL_BYTES } from './frame-reader.js'

/** What a reader tells, with the pieces of a DATA frame put together. */
const collector = (): { readonly seen: unknown[]; readonly reader: FrameReader } => {
  const seen: unknown[] = []
  let pieces: Buffer[] = []
  const reader = new FrameReader(2 ** 20, {
    onFrame: (type, flags, stream, payload) => void seen.push([type, flags, stream, payload.toString('latin1')]),
    onDataStart: (stream, length) => {
      pieces = []
      seen.push(['start', stream, length])
    },
    onData: (_, piece) => void pieces.push(Buffer.from(piece)),
    onDataEnd: (stream, isLast) => void seen.push(['data', stream, Buffer.concat(pieces).toString('latin1'), isLast]),
  })
  return { seen, reader }
}

const padded = (text: string, padding: number, flags = 0): Buffer =>
  encodeFrame(frameType.data, flags | flag.padded, 3, Buffer.concat([Buffer.from([padding]), Buffer.from(text), Buffer.alloc(padding)]))

const frames = [
  encodeFrame(frameType.settings, 0, 0, Buffer.alloc(0)), encodeFrame(frameType.headers, flag.endHeaders, 0x8000_0001, Buffer.from('block')),
  encodeFrame(frameType.data, 0, 1, Buffer.from('some')), encodeFrame(frameType.data, flag.endStream, 1, Buffer.alloc(0)), padded('words', 7), padded('', 0), padded('', 9, flag.endStream),
  encodeFrame(0xbe, 255, 77, Buffer.alloc(MAX_CONTROL_BYTES + 1)), encodeFrame(0xef, 0, 0, Buffer.alloc(0)), encodeFrame(frameType.ping, 0, 0, Buffer.from('12345678')),
]
const told = [
  [frameType.settings, 0, 0, ''], [frameType.headers, flag.endHeaders, 1, 'block'], ['start', 1, 4], ['data', 1, 'some', false], ['start', 1, 0], ['data', 1, '', true],
  ['start', 3, 13], ['data', 3, 'words', false], ['start', 3, 1], ['data', 3, '', false], ['start', 3, 10], ['data', 3, '', true], [0xbe, 255, 77, ''], [0xef, 0, 0, ''], [frameType.ping, 0, 0, '12345678'],
]

test.each([1, 2, 3, 5, 7, 11, 64, 1_000, 10 ** 6])('frames come in pieces of %i bytes', (size) => {
  const { seen, reader } = collector()
  const all = Buffer.concat(frames)
  // The memory of each piece is used again.
  const memory = Buffer.alloc(Math.min(size, all.length))
  for (let at = 0; at < all.length; at += size) {
    const length = all.copy(memory, 0, at, at + size)
    reader.push(memory.subarray(0, length))
  }
  expect(seen).toEqual(told)
})

describe('frames that are none', () => {
  const header = (length: number, type: number, flags = 0): Buffer => {
    const bytes = Buffer.alloc(9)
    writeFrameHeader(bytes, 0, length, type, flags, 1)
    return bytes
  }

  test.each([
    ['longer than was said', header(2 ** 20 + 1, frameType.data)], ['headers of a megabyte', header(2 ** 20, frameType.headers)], ['padded, and empty', header(0, frameType.data, flag.padded)],
    ['padding that is longer than all', Buffer.concat([header(3, frameType.data, flag.padded), Buffer.from([3, 0, 0])])],
  ])('%s', (_, bytes) => {
    const { reader } = collector()
    expect(() => reader.push(bytes)).toThrow(ProtocolError)
  })
})

test('a reader that was stopped tells nothing more, of the same piece either', () => {
  let told = 0
  const reader: FrameReader = new FrameReader(100, { onFrame: () => ((told += 1), reader.stop()), onDataStart: () => undefined, onData: () => undefined, onDataEnd: () => undefined })
  reader.push(Buffer.concat([frames[0]!, frames[0]!]))
  reader.push(frames[0]!)
  expect(told).toBe(1)
})
