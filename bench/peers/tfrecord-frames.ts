import { createReadStream } from 'node:fs'

/** A checksum of `bytes[start..end]`, CRC-32C. */
export type Crc = (bytes: Uint8Array, start: number, end: number) => number

const tables = Array.from({ length: 8 }, () => new Int32Array(256))
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  tables[0]![byte] = crc
}
for (let k = 1; k < 8; k++) for (let byte = 0; byte < 256; byte++) tables[k]![byte] = tables[0]![tables[k - 1]![byte]! & 255]! ^ (tables[k - 1]![byte]! >>> 8)
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]

/** Slicing-by-8 in JavaScript, as packages without native code have it. */
export const slicingBy8: Crc = (bytes, start, end) => {
  let crc = -1
  let i = start
  for (const last = end - 7; i < last; i += 8) {
    crc =
      t7[(crc ^ bytes[i]!) & 255]! ^ t6[((crc >>> 8) ^ bytes[i + 1]!) & 255]! ^ t5[((crc >>> 16) ^ bytes[i + 2]!) & 255]! ^ t4[(crc >>> 24) ^ bytes[i + 3]!]! ^
      t3[bytes[i + 4]!]! ^ t2[bytes[i + 5]!]! ^ t1[bytes[i + 6]!]! ^ t0[bytes[i + 7]!]!
  }
  for (; i < end; i++) crc = t0[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}

/** `@node-rs/crc32` where a payload is worth the call, else {@link slicingBy8}; without the package always that. */
export const fastestCrc = async (): Promise<Crc> =>
  import('@node-rs/crc32').then(
    ({ crc32c }): Crc => (bytes, start, end) => (end - start < 512 ? slicingBy8(bytes, start, end) : crc32c(bytes.subarray(start, end))),
    () => slicingBy8,
  )

const masked = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0

/** Hands over the payloads of a TFRecord file, views of chunks of 1 MiB; both checksums of each are checked. */
export const forEachPayload = async (file: string, crc: Crc, take: (payload: Buffer) => void): Promise<void> => {
  let rest: Buffer = Buffer.alloc(0)
  for await (const read of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    const chunk = rest.length === 0 ? read : Buffer.concat([rest, read])
    let at = 0
    while (chunk.length - at >= 12) {
      const end = at + 12 + chunk.readUInt32LE(at) + chunk.readUInt32LE(at + 4) * 2 ** 32
      if (chunk.length < end + 4) break
      if (masked(crc(chunk, at, at + 8)) !== chunk.readUInt32LE(at + 8)) throw new Error('wrong checksum of a length')
      if (masked(crc(chunk, at + 12, end)) !== chunk.readUInt32LE(end)) throw new Error('wrong checksum of a record')
      take(chunk.subarray(at + 12, end))
      at = end + 4
    }
    rest = chunk.subarray(at)
  }
  if (rest.length > 0) throw new Error('the file was cut short')
}

/** One payload as a frame. */
export const frameOf = (payload: Uint8Array, crc: Crc): Buffer => {
  const frame = Buffer.allocUnsafe(payload.length + 16)
  frame.writeUInt32LE(payload.length, 0)
  frame.writeUInt32LE(0, 4)
  frame.writeUInt32LE(masked(crc(frame, 0, 8)), 8)
  frame.set(payload, 12)
  frame.writeUInt32LE(masked(crc(payload, 0, payload.length)), payload.length + 12)
  return frame
}
