import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c, crc32cTables, maskCrc32c, unmaskCrc32c } from './crc32c.js'
import { encodeFrame } from './frame.js'
import { TfRecordDecoder, type TfRecordDecoderOptions } from './tfrecord-decoder.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const slowCrc = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

const join = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

interface Decoded {
  readonly payloads: string[]
  readonly errors: { readonly code: string; readonly byte: number | undefined; readonly record: number | undefined }[]
}

/** All payloads and errors of a file given in chunks; reading goes on after bad records, not after corruption. */
const decodeAll = (chunks: Iterable<Uint8Array>, options: TfRecordDecoderOptions = {}): Decoded => {
  const decoder = new TfRecordDecoder(options)
  const decoded: Decoded = { payloads: [], errors: [] }
  const attempt = (step: () => boolean): boolean => {
    try {
      return step()
    } catch (error) {
      const { code, _tag, position } = error as { code: string; _tag: string; position: { byte?: number; record?: number } }
      decoded.errors.push({ code, byte: position.byte, record: position.record })
      if (_tag !== 'BadRecord') throw decoded
      return true
    }
  }
  try {
    for (const chunk of chunks) {
      decoder.push(chunk)
      for (;;) {
        const before = decoded.errors.length
        if (!attempt(() => decoder.next())) break
        if (decoded.errors.length === before) decoded.payloads.push(Buffer.from(decoder.bytes.subarray(decoder.start, decoder.end)).toString('latin1'))
      }
    }
    attempt(() => (decoder.finish(), false))
  } catch (stopped) {
    if (stopped !== decoded) throw stopped
  }
  return decoded
}

describe('crc32c', () => {
  it('knows the vectors of RFC 3720 B.4 and the masked CRC of TensorFlow', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
    expect(crc32c(text('123456789'))).toBe(0xe3069283)
    expect(unmaskCrc32c(maskCrc32c(0x12345678))).toBe(0x12345678)
  })

  it('agrees with the bitwise definition, by tables and natively, in one piece and in two', async () => {
    const bytes = Uint8Array.from({ length: 3000 }, (_, i) => (i * 7919) >> 3)
    crc32c(bytes)
    // Lets the native module load where it is installed.
    await import('@node-rs/crc32').catch(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    for (const end of [0, 1, 7, 8, 15, 16, 17, 31, 100, 511, 512, 513, 3000]) {
      const expected = slowCrc(bytes.subarray(3, Math.max(3, end)))
      expect(crc32c(bytes, 3, Math.max(3, end))).toBe(expected)
      expect(crc32cTables(bytes, 3, Math.max(3, end))).toBe(expected)
      const half = 3 + ((Math.max(3, end) - 3) >> 1)
      expect(crc32c(bytes, half, Math.max(3, end), crc32c(bytes, 3, half))).toBe(expected)
    }
  })
})

describe('TfRecordDecoder', () => {
  const payloads = ['first', '', 'x'.repeat(300), 'last']
  const frames = payloads.map((payload) => encodeFrame(text(payload)))
  const file = join(frames)

  it('finds the records however the chunks are cut', () => {
    for (let size = 1; size <= file.length; size++) {
      const chunks = Array.from({ length: Math.ceil(file.length / size) }, (_, i) => file.subarray(i * size, (i + 1) * size))
      expect(decodeAll(chunks)).toEqual({ payloads, errors: [] })
    }
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }), (records, sizes) => {
        const whole = join(records.map(encodeFrame))
        const chunks: Uint8Array[] = []
        for (let at = 0, i = 0; at < whole.length; i++) {
          const size = sizes[i % sizes.length]! + (i % 7 === 6 ? 1 : 0)
          chunks.push(whole.subarray(at, at + size))
          at += size
        }
        expect(decodeAll(chunks).payloads).toEqual(records.map((record) => Buffer.from(record).toString('latin1')))
      }),
    )
  })

  it('tells of every truncation where the cut record began', () => {
    const starts = [0]
    for (const frame of frames) starts.push(starts.at(-1)! + frame.length)
    for (let length = 0; length < file.length; length++) {
      const whole = starts.filter((start) => start > 0 && start <= length).length
      const { payloads: found, errors } = decodeAll([file.subarray(0, length)])
      expect(found).toEqual(payloads.slice(0, whole))
      expect(errors).toEqual(starts.includes(length) ? [] : [{ code: 'TFRECORD_TRUNCATED', byte: starts[whole], record: whole }])
    }
  })

  it('detects every single flipped bit, and reads on after a damaged payload', () => {
    for (let bit = 0; bit < file.length * 8; bit++) {
      const damaged = file.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const { payloads: found, errors } = decodeAll([damaged])
      expect(errors).toHaveLength(1)
      expect(found).toEqual(errors[0]!.code === 'TFRECORD_DATA_CRC' ? payloads.filter((_, i) => i !== errors[0]!.record) : payloads.slice(0, errors[0]!.record))
    }
  })

  it('refuses a record beyond the limit before it makes room for it', () => {
    expect(decodeAll([file], { maxRecordBytes: 299 })).toEqual({
      payloads: ['first', ''],
      errors: [{ code: 'TFRECORD_TOO_LONG', byte: frames[0]!.length + frames[1]!.length, record: 2 }],
    })
    // A sound header that promises 2^40 bytes.
    const huge = encodeFrame(new Uint8Array(0)).slice(0, 12)
    new DataView(huge.buffer).setBigUint64(0, 1n << 40n, true)
    new DataView(huge.buffer).setUint32(8, maskCrc32c(crc32c(huge, 0, 8)), true)
    expect(decodeAll([huge]).errors).toEqual([{ code: 'TFRECORD_TOO_LONG', byte: 0, record: 0 }])
  })

  it('counts bytes and records from where it was told to begin', () => {
    const damaged = frames[2]!.slice()
    damaged[20]! ^= 1
    expect(decodeAll([damaged], { byte: 1000, record: 7 }).errors).toEqual([{ code: 'TFRECORD_DATA_CRC', byte: 1000, record: 7 }])
  })
})
