import { describe, expect, it } from 'vitest'
import { decodeSnappy, encodeSnappy } from '../codecs/snappy.js'
import { pageCodec } from './page-codecs.js'
import { PageKernel } from './page-kernel.js'
import { encodeRuns } from './encode-runs.js'
import { expandRuns } from './page-runs.js'
import { flatSlots, spread, spreadPairs, ValidityBuilder, type PageSlots } from './page-slots.js'

const SEED = 20_261_126
const randoms = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => Math.floor(((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * below)
}

/** Bytes with repetitions of all lengths and distances. */
const bytesOf = (random: (below: number) => number, size: number): Uint8Array => {
  const out = new Uint8Array(size)
  for (let at = 0; at < size; ) {
    const length = Math.min(size - at, 1 + random(random(8) === 0 ? 5000 : 20))
    const distance = 1 + random(Math.min(at, random(2) === 0 ? 12 : 70_000))
    for (let i = 0; i < length; i++, at++) out[at] = at >= distance && length > 3 ? out[at - distance]! : random(256)
  }
  return out
}

/** What comes of reading, as a text: comparing arrays value by value takes long. */
const outcome = (read: () => Uint8Array): string => {
  try {
    return hex(read())
  } catch (error) {
    return (error as Error).message
  }
}

const hex = (bytes: ArrayBufferView): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')

/** Random slots, as definition levels in runs, as bits, and as what is to come of them. */
const slotsOf = (random: (below: number) => number, count: number): { readonly levels: Uint8Array; readonly slots: PageSlots } => {
  const levels = new Uint8Array(count)
  for (let i = 0; i < count; ) {
    const run = random(3) === 0 ? 1 + random(40) : 1
    levels.fill(random(3) === 0 ? 0 : 1, i, i + run)
    i += run
  }
  const runs = encodeRuns(levels, 1)
  return { levels, slots: flatSlots(runs, 0, runs.length, count) }
}

describe(`the kernel of pages does what the TypeScript does, seed ${SEED}`, () => {
  const kernel = PageKernel.create()!

  it('packs and inflates Snappy, and refuses what is damaged for the same reason', async () => {
    const inflate = (await pageCodec('SNAPPY'))!
    const random = randoms(SEED)
    let refused = 0
    for (let i = 0; i < 3000; i++) {
      const plain = bytesOf(random, random(i % 100 === 0 ? 200_000 : 400))
      const packed = encodeSnappy(plain)
      expect(outcome(() => inflate(packed, plain.length)), `turn ${i}`).toBe(hex(plain))
      expect(hex(kernel.deflateSnappy(plain)!), `turn ${i}`).toBe(hex(packed))
      const damaged = packed.slice(0, packed.length - random(2) * random(packed.length))
      for (let flips = 1 + random(3); flips > 0; flips--) damaged[random(damaged.length)]! ^= 1 << random(8)
      const due = outcome(() => decodeSnappy(damaged, plain.length))
      expect(outcome(() => inflate(damaged, plain.length)), `turn ${i}`).toBe(due)
      if (due.startsWith('Snappy')) refused++
    }
    expect(refused).toBeGreaterThan(300)
  })

  it('puts values into the slots that have one', () => {
    const random = randoms(SEED + 1)
    for (let i = 0; i < 500; i++) {
      const { levels, slots } = slotsOf(random, 1 + random(300))
      expect(slots.values).toBe(levels.reduce((sum, level) => sum + level, 0))
      if (slots.present === undefined) continue
      const page = bytesOf(random, 8 * slots.values)
      const narrow = new Int32Array(slots.slots)
      new Uint8Array(narrow.buffer).set(page.subarray(0, 4 * slots.values))
      spread(narrow, 0, slots)
      expect(hex(kernel.spread(page.subarray(0, 4 * slots.values), slots.slots, slots.present, 4)!)).toBe(hex(narrow))
      const wide = new Int32Array(2 * slots.slots)
      new Uint8Array(wide.buffer).set(page)
      spreadPairs(wide, 0, slots)
      expect(hex(kernel.spread(page, slots.slots, slots.present, 8)!)).toBe(hex(wide))
    }
  })

  it('splits texts, and takes none of a page that ends within one', () => {
    const random = randoms(SEED + 2)
    for (let i = 0; i < 500; i++) {
      const { levels, slots } = slotsOf(random, 1 + random(200))
      const texts = Array.from({ length: slots.values }, () => Buffer.from(bytesOf(random, random(random(20) === 0 ? 2000 : 40))))
      const page = Buffer.concat(texts.flatMap((text) => [Buffer.from(Int32Array.of(text.length).buffer), text]))
      const base = random(1000)
      let end = base
      let next = 0
      const ends = Array.from(levels, (level) => (end += level === 1 ? texts[next++]!.length : 0))
      const found = kernel.splitTexts(page, slots.slots, slots.present, base)!
      expect([hex(found.bytes), [...found.ends]]).toEqual([hex(Buffer.concat(texts)), ends])
      if (page.length > 0) expect(() => kernel.splitTexts(page.subarray(0, page.length - 1), slots.slots, slots.present, base)).toThrow('end too early')
    }
  })

  it('splits texts of a page that it inflated', () => {
    const random = randoms(SEED + 4)
    for (let i = 0; i < 500; i++) {
      const texts = Array.from({ length: 1 + random(100) }, () => Buffer.from(bytesOf(random, random(random(20) === 0 ? 2000 : 40))))
      const page = Buffer.concat(texts.flatMap((text) => [Buffer.from(Int32Array.of(text.length).buffer), text]))
      const inflated = kernel.inflateSnappy(encodeSnappy(page), page.length) as Uint8Array
      expect(hex(kernel.splitTexts(inflated, texts.length, undefined, 0)!.bytes), `turn ${i}`).toBe(hex(Buffer.concat(texts)))
    }
  })

  it('gathers texts of a dictionary, and refuses what is beyond it', () => {
    const random = randoms(SEED + 5)
    for (let i = 0; i < 500; i++) {
      const { levels, slots } = slotsOf(random, 1 + random(300))
      const texts = Array.from({ length: 1 + random(50) }, () => Buffer.from(bytesOf(random, random(random(20) === 0 ? 2000 : 40))))
      const offsets = Int32Array.from([0, ...texts].map(((sum) => (text: number | Buffer) => (sum += typeof text === 'number' ? 0 : text.length))(0)))
      const dictionary = { is: 'bytes', length: texts.length, offsets, bytes: Buffer.concat(texts) } as const
      const indices = Int32Array.from({ length: slots.values }, () => random(texts.length))
      const base = random(1000)
      let end = base
      let next = 0
      const ends = Array.from(levels, (level) => (end += level === 1 ? texts[indices[next++]!]!.length : 0))
      const found = kernel.gatherTexts(dictionary, indices, slots, base, 1e6)!
      expect([hex(found.bytes), [...found.ends]], `turn ${i}`).toEqual([hex(Buffer.concat([...indices].map((index) => texts[index]!))), ends])
      if (end > base) expect(kernel.gatherTexts(dictionary, indices, slots, base, end - base - 1)).toBeUndefined()
      if (slots.values === 0) continue
      indices[random(slots.values)] = random(2) === 0 ? texts.length : -1
      expect(() => kernel.gatherTexts(dictionary, indices, slots, base, 1e6)).toThrow(`of a dictionary of ${texts.length}`)
    }
  })
})

describe('slots', () => {
  it('are the same by bits as by levels, page after page', () => {
    const random = randoms(SEED + 3)
    for (let i = 0; i < 300; i++) {
      const pages = Array.from({ length: 1 + random(5) }, () => slotsOf(random, 1 + random(random(3) === 0 ? 500 : 30)))
      const validity = new ValidityBuilder(pages.reduce((sum, { levels }) => sum + levels.length, 0))
      for (const { slots } of pages) validity.add(slots)
      const due = pages.flatMap(({ levels }) => [...levels])
      const bits = validity.finish()
      expect(bits === undefined ? due.map(() => 1) : due.map((_, row) => (bits[row >> 3]! >> (row & 7)) & 1), `turn ${i}`).toEqual(due)
      if (bits !== undefined && (due.length & 7) !== 0) expect(bits.at(-1)! >> (due.length & 7)).toBe(0)
    }
  })

  it('are refused where levels are beyond the highest, or end too early', () => {
    expect(() => flatSlots(Uint8Array.of(16, 2), 0, 2, 8)).toThrow('level 2')
    expect(() => flatSlots(Uint8Array.of(16, 1), 0, 2, 9)).toThrow('do not end')
    expect(() => expandRuns(Uint8Array.of(16, 1), 0, 2, 1, new Uint8Array(7), 0, 7)).toThrow('a run has 8 values')
  })
})
