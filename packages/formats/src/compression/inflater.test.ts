import { constants, createGzip, crc32, deflateRawSync, deflateSync, gzipSync, type ZlibOptions } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMillraceError } from '@millrace/core'
import { inflateWhole } from './inflate-whole.js'
import { inflated } from './inflated.js'
import { Inflater } from './inflater.js'

type Kind = 'gzip' | 'zlib'

/** Changed inputs; more are tried by MILLRACE_INFLATE_FUZZ. */
const CHANGES = Number(process.env['MILLRACE_INFLATE_FUZZ'] ?? 400)

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
}

interface Outcome {
  readonly bytes: Buffer
  readonly code?: string
  /** What is wrong and where; zlib's words are in it. */
  readonly problem?: string
}

const outcome = async (packed: Uint8Array, kind: Kind, { size = Math.max(1, packed.length), byNode = false } = {}): Promise<Outcome> => {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of inflated(cut(packed, size), kind, 'x', { byNode })) pieces.push(piece)
  } catch (error) {
    if (!isMillraceError(error)) throw error
    const bytes = Buffer.concat(pieces)
    if (error.code.startsWith('COMPRESSED')) expect(error.position.byte).toBe(bytes.length)
    return { bytes, code: error.code, problem: error.problem.replace(/; [^;]*$/, '') }
  }
  return { bytes: Buffer.concat(pieces) }
}

/** Node's inflater is right about what is wrong; of what comes before that, it gives what had filled its buffer. */
const requireTheSame = async (packed: Uint8Array, kind: Kind, size?: number): Promise<Outcome> => {
  const due = await outcome(packed, kind, { byNode: true })
  const found = await outcome(packed, kind, size === undefined ? {} : { size })
  expect(found.code).toBe(due.code)
  if (size === undefined) expect(found.problem).toBe(due.problem)
  if (due.code === undefined || due.code === 'COMPRESSED_TRUNCATED') expect(found.bytes.equals(due.bytes)).toBe(true)
  else expect(found.bytes.subarray(0, due.bytes.length).equals(due.bytes)).toBe(true)
  return found
}

let seed = 1
const random = (below: number): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % below

const words = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `word${(i * 7919) % 503},${i * i};`).join('\n'))
const corpora: { readonly [name: string]: Buffer } = {
  empty: Buffer.alloc(0),
  'one byte': Buffer.from('x'),
  words,
  zeros: Buffer.alloc(400_000),
  noise: Buffer.from(Uint8Array.from({ length: 100_000 }, () => random(256))),
  'few symbols': Buffer.from(Uint8Array.from({ length: 100_000 }, () => [0, 0, 0, 1, 7, 200][random(6)]!)),
  // Frequencies that halve make the longest codes that there are.
  'long codes': Buffer.from(Uint8Array.from({ length: 100_000 }, () => Math.min(255, Math.clz32(random(2 ** 31)) * 9 + random(3)))),
  // Every distance from 1 on, with lengths that end anywhere.
  periods: Buffer.concat(Array.from({ length: 300 }, (_, i) => Buffer.alloc(1 + random(900), Buffer.from(Uint8Array.from({ length: i + 1 }, () => random(256)))))),
  // Repetitions from as far back as deflate refers.
  far: Buffer.concat(Array.from({ length: 12 }, () => Buffer.from(Uint8Array.from({ length: 16_384 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255)))),
}

const strategies = { usual: constants.Z_DEFAULT_STRATEGY, filtered: constants.Z_FILTERED, huffman: constants.Z_HUFFMAN_ONLY, runs: constants.Z_RLE, fixed: constants.Z_FIXED }

describe('what zlib packs', () => {
  for (const [name, bytes] of Object.entries(corpora)) {
    it.each([0, 1, 2, 6, 9])(`comes out as it went in: ${name}, level %i`, async (level) => {
      for (const strategy of Object.values(strategies)) {
        for (const options of [{}, { memLevel: 1, windowBits: 9 }] satisfies ZlibOptions[]) {
          const packing = { level, strategy, ...options }
          for (const [kind, packed] of [['gzip', gzipSync(bytes, packing)], ['zlib', deflateSync(bytes, packing)]] as const) {
            const found = await outcome(packed, kind, { size: 1 + random(100_000) })
            expect(found.code).toBeUndefined()
            expect(found.bytes.equals(bytes)).toBe(true)
          }
        }
      }
    })
  }

  it('comes out of chunks of any size', async () => {
    const bytes = words.subarray(0, 70_000)
    for (const size of [1, 2, 3, 7, 64, 65_535, 65_536, 65_537]) {
      for (const [kind, packed] of [['gzip', gzipSync(bytes)], ['zlib', deflateSync(bytes, { level: 0 })], ['gzip', gzipSync(bytes, { strategy: constants.Z_FIXED })]] as const) {
        expect((await outcome(packed, kind, { size })).bytes.equals(bytes)).toBe(true)
      }
    }
  })

  it('comes out where it was flushed in between, which leaves blocks that are empty', async () => {
    const packer = createGzip()
    const packed: Buffer[] = []
    packer.on('data', (chunk: Buffer) => packed.push(chunk))
    for (let at = 0; at < 100_000; at += 10_000) {
      packer.write(words.subarray(at, at + 10_000))
      await new Promise<void>((resolve) => packer.flush([constants.Z_SYNC_FLUSH, constants.Z_FULL_FLUSH, constants.Z_PARTIAL_FLUSH][random(3)]!, resolve))
    }
    await new Promise((resolve) => packer.once('end', resolve).end())
    expect((await outcome(Buffer.concat(packed), 'gzip')).bytes.equals(words.subarray(0, 100_000))).toBe(true)
  })
})

/** A member with all the parts that its flags name. */
const member = (flags: number, bytes: Uint8Array, { wrongCheck = false } = {}): Buffer => {
  const parts = [Buffer.from([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3])]
  if ((flags & 4) !== 0) parts.push(Buffer.from([5, 0, 1, 2, 0, 4, 5]))
  if ((flags & 8) !== 0) parts.push(Buffer.from('name\0'))
  if ((flags & 16) !== 0) parts.push(Buffer.from('a comment\0'))
  if ((flags & 2) !== 0) {
    const check = Buffer.alloc(2)
    check.writeUInt16LE((crc32(Buffer.concat(parts)) & 0xffff) ^ (wrongCheck ? 1 : 0))
    parts.push(check)
  }
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(crc32(bytes))
  tail.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([...parts, deflateRawSync(bytes), tail])
}

describe('gzip', () => {
  const text = Buffer.from('some text, some more text')

  it('may have any parts in its head, in chunks of any size', async () => {
    for (let flags = 0; flags < 256; flags++) {
      for (const size of [1, 4, 1000]) {
        const found = await requireTheSame(member(flags, text), 'gzip', size)
        expect(found.code).toBe(flags < 32 ? undefined : 'COMPRESSED_CORRUPT')
      }
    }
    expect((await requireTheSame(member(2 | 8, text, { wrongCheck: true }), 'gzip')).problem).toMatch(/header crc mismatch/)
  })

  it('may have several members, and zeros after the last', async () => {
    const empty = gzipSync('')
    const members = [member(31, text), empty, empty, gzipSync(words), member(8, text)]
    for (const size of [1, 100, 10_000_000]) {
      const found = await outcome(Buffer.concat([...members, Buffer.alloc(700)]), 'gzip', { size })
      expect(found.code).toBeUndefined()
      expect(found.bytes.equals(Buffer.concat([text, words, text]))).toBe(true)
    }
  })

  it.each([
    ['zeros and then something', [member(0, text), Buffer.from([0, 0, 1])], 'COMPRESSED_TRAILING'],
    ['zeros and then a member', [member(0, text), Buffer.from([0]), member(0, text)], 'COMPRESSED_TRAILING'],
    ['something', [member(0, text), Buffer.from('more')], 'COMPRESSED_CORRUPT'],
    ['the beginning of a member', [member(0, text), Buffer.from([0x1f])], 'COMPRESSED_TRUNCATED'],
    ['a member that refers to what the one before it had', [member(0, text), Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x03, 0x02, 0, 0, 0, 0, 0, 0])], 'COMPRESSED_CORRUPT'],
  ])('is refused with %s after it', async (_, parts, code) => {
    for (const size of [undefined, 1, 5]) {
      const found = await requireTheSame(Buffer.concat(parts), 'gzip', size)
      expect(found).toMatchObject({ code, bytes: text })
    }
  })

  it('is refused where its checksum or its length is wrong', async () => {
    for (const byte of [1, 4, 5, 8]) {
      const packed = member(0, text)
      packed[packed.length - byte]! ^= 4
      expect((await requireTheSame(packed, 'gzip')).problem).toMatch(byte > 4 ? /incorrect data check/ : /incorrect length check/)
    }
  })
})

describe('zlib', () => {
  const text = Buffer.from('some text, some more text')

  it('is refused with something after it', async () => {
    for (const tail of [[0], [1, 2]]) {
      for (const size of [undefined, 1]) expect((await requireTheSame(Buffer.concat([deflateSync(text), Buffer.from(tail)]), 'zlib', size)).code).toBe('COMPRESSED_TRAILING')
    }
  })

  it('has its heads judged as zlib does', async () => {
    const packed = deflateSync(text)
    const verdicts = new Map<string | undefined, number>()
    for (let head = 0; head < 65_536; head += 93) {
      // Multiples of 31, which the check takes, and some next to them.
      for (const value of head % 7 === 0 ? [head, head + 1] : [head]) {
        packed.writeUInt16BE(value & 0xffff)
        const { code, problem } = await requireTheSame(packed, 'zlib')
        const verdict = code === 'COMPRESSED_CORRUPT' ? /\((.*)\)/.exec(problem!)![1] : code
        verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
      }
    }
    expect([...verdicts.keys()].sort()).toEqual(['Missing dictionary', 'NOT_PACKED', undefined].sort())
  })

  it('is refused where its checksum is wrong', async () => {
    const packed = deflateSync(words)
    packed[packed.length - 1]! ^= 1
    expect((await requireTheSame(packed, 'zlib')).problem).toMatch(/incorrect data check/)
  })
})

describe('what is damaged', () => {
  const small = Buffer.from(words.subarray(0, 2_000))
  const packings = [{}, { strategy: constants.Z_FIXED }, { strategy: constants.Z_HUFFMAN_ONLY }, { level: 0 }]
  const samples: readonly (readonly [Kind, Buffer])[] = packings.flatMap((options): (readonly [Kind, Buffer])[] => [['gzip', gzipSync(small, options)], ['zlib', deflateSync(small, options)]])

  it('is cut anywhere, and said to be so, after the bytes before', async () => {
    for (const [kind, packed] of samples) {
      for (let length = 0; length < packed.length; length++) {
        const { code } = await requireTheSame(packed.subarray(0, length), kind, length % 3 === 0 ? 1 + random(50) : undefined)
        expect(code).toBe('COMPRESSED_TRUNCATED')
      }
    }
  })

  it('is judged as zlib judges it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(samples.length - 1),
        fc.array(fc.tuple(fc.nat(4_000), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
        async (sample, changes, isNearHead, size) => {
          const [kind, sound] = samples[sample]!
          const packed = Buffer.from(sound)
          // The codes of a block stand at its beginning.
          for (const [place, value] of changes) packed[place % (isNearHead ? 80 : packed.length)] = value
          await requireTheSame(packed, kind, size)
        },
      ),
      { numRuns: CHANGES },
    )
  })

  it('is judged as zlib judges it where blocks begin with anything', async () => {
    const problems = new Set<string>()
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 3 }), fc.uint8Array({ minLength: 1, maxLength: 300 }), async (type, noise) => {
        noise[0] = (noise[0]! & ~6) | (type << 1)
        const { problem } = await requireTheSame(Buffer.concat([Buffer.from([0x78, 0x9c]), noise]), 'zlib')
        problems.add(/\((.*)\)/.exec(problem!)?.[1] ?? 'cut')
      }),
      { numRuns: CHANGES },
    )
    expect(problems.size).toBeGreaterThan(3)
  })
})

/** Bits as deflate has them, the first lowest; codes are given with their first bit highest. */
class Bits {
  private readonly bits: number[] = []
  number(value: number, count: number): this {
    for (let bit = 0; bit < count; bit++) this.bits.push((value >> bit) & 1)
    return this
  }
  code(text: string): this {
    this.bits.push(...[...text].map(Number))
    return this
  }
  /** As zlib, for `bytes`, of which Adler-32 is taken. */
  zlib(bytes: Uint8Array): Buffer {
    const packed = Buffer.alloc(Math.ceil(this.bits.length / 8))
    for (const [i, bit] of this.bits.entries()) packed[i >> 3]! |= bit << (i & 7)
    return Buffer.concat([Buffer.from([0x78, 0x9c]), packed, deflateSync(bytes).subarray(-4)])
  }
}

describe('codes that are not complete', () => {
  /** A dynamic block: literals 'a' and the end by one bit each, or only the end, and distances by these lengths. */
  const block = (literals: readonly (readonly [number, number])[], distances: readonly number[]): Bits => {
    const bits = new Bits().number(5, 3)
    const symbols = Array.from({ length: 258 }, (_, i) => literals.find(([symbol]) => symbol === i)?.[1] ?? 0)
    bits.number(1, 5).number(distances.length - 1, 5).number(14, 4)
    // Lengths 0 and 1 have codes of two bits, as have 2 and 3.
    for (const symbol of [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1]) bits.number(symbol < 4 ? 2 : 0, 3)
    for (const length of [...symbols, ...distances]) bits.code(['00', '01', '10', '11'][length]!)
    return bits
  }
  const a = Buffer.from('a')

  it.each([
    ['no distance, and none is used', block([[97, 1], [256, 1]], [0]).code('0').code('1').zlib(a), undefined],
    ['no distance, and one is used', block([[97, 2], [256, 2], [257, 1]], [0]).code('10').code('0').code('0').code('11').zlib(a), 'invalid distance code'],
    ['one distance of one bit', block([[97, 2], [256, 2], [257, 1]], [1]).code('10').code('0').code('0').code('11').zlib(Buffer.from('aaaa')), undefined],
    ['one distance of one bit, and the other is used', block([[97, 2], [256, 2], [257, 1]], [1]).code('10').code('0').code('1').code('11').zlib(a), 'invalid distance code'],
    ['one distance of two bits', block([[97, 1], [256, 1]], [2]).code('0').code('1').zlib(a), 'invalid distances set'],
    ['the end alone', block([[256, 1]], [0]).code('0').zlib(Buffer.alloc(0)), undefined],
    ['the end alone, and the other is used', block([[256, 1]], [0]).code('1').zlib(Buffer.alloc(0)), 'invalid literal/length code'],
    ['no end', block([[97, 1], [98, 1]], [0]).code('0').zlib(a), 'invalid code -- missing end-of-block'],
    ['too many literals', block([[97, 1], [98, 1], [256, 1]], [0]).code('0').zlib(a), 'invalid literal/lengths set'],
    ['too few literals', block([[97, 2], [98, 2], [256, 2]], [0]).code('0').zlib(a), 'invalid literal/lengths set'],
    ['a distance before the beginning', block([[97, 2], [256, 2], [257, 1]], [0, 1]).code('10').code('0').code('0').code('11').zlib(a), 'invalid distance too far back'],
  ])('are taken as zlib takes them: %s', async (_, packed, problem) => {
    for (const size of [undefined, 1]) {
      const found = await requireTheSame(packed, 'zlib', size)
      if (problem === undefined) expect(found.code).toBeUndefined()
      else expect(found.problem).toContain(problem)
    }
  })
})

describe('an Inflater', () => {
  it('gives pieces that are bounded, whatever grows', () => {
    const inflater = Inflater.of('gzip')!
    inflater.push(gzipSync(Buffer.alloc(20_000_000)))
    let size = 0
    for (let piece = inflater.next(); piece !== undefined; piece = inflater.next()) {
      expect(piece.length).toBeLessThanOrEqual(256 * 1024 + 32 * 1024 + 260)
      size += piece.length
    }
    inflater.release()
    expect(size).toBe(20_000_000)
    expect(inflater.isWhole).toBe(true)
    expect(inflater.isOver).toBe(false)
  })

  it('of which several are open does not mix them up, nor does one that was left in the middle leave something behind', () => {
    const texts = [words, corpora['periods']!, corpora['long codes']!]
    for (let round = 0; round < 3; round++) {
      const open = texts.map((bytes) => ({ bytes, packed: gzipSync(bytes), inflater: Inflater.of('gzip')!, at: 0, given: 0 }))
      const left = Inflater.of('zlib')!
      left.push(deflateSync(words).subarray(0, 5_000))
      left.next()
      left.release()
      for (let isMore = true; isMore; ) {
        isMore = false
        for (const one of open) {
          if (one.at >= one.packed.length) continue
          isMore = true
          one.inflater.push(one.packed.subarray(one.at, (one.at += 30_000)))
          for (let piece = one.inflater.next(); piece !== undefined; piece = one.inflater.next()) {
            expect(Buffer.compare(piece, one.bytes.subarray(one.given, (one.given += piece.length)))).toBe(0)
          }
        }
      }
      for (const { bytes, given, inflater } of open) {
        expect([given, inflater.isWhole]).toEqual([bytes.length, true])
        inflater.release()
      }
    }
  })
})

describe('what is there whole', () => {
  const packed = Buffer.concat([gzipSync(words), gzipSync('more')])
  const length = words.length + 4

  it('is inflated to its length', () => {
    expect(Buffer.compare(inflateWhole(packed, length)!, Buffer.concat([words, Buffer.from('more')]))).toBe(0)
    expect(inflateWhole(gzipSync(''), 0)).toHaveLength(0)
  })

  it('is left to Node where it is anything else', () => {
    for (const wrong of [length - 1, length + 1, 0, 2 ** 40]) expect(inflateWhole(packed, wrong)).toBeUndefined()
    expect(inflateWhole(packed.subarray(0, -1), length)).toBeUndefined()
    const damaged = Buffer.from(packed)
    damaged[damaged.length - 5]! ^= 1
    expect(inflateWhole(damaged, length)).toBeUndefined()
    expect(inflateWhole(new Uint8Array(0), 0)).toBeUndefined()
  })
})
