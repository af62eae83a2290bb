import type { Random } from '@millrace/core'

/** Bytes at which formats turn: ends of ranges, signs, quotes, line ends, brackets. */
const bytes = [0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x0d, 0x22, 0x27, 0x2c, 0x2d, 0x2e, 0x30, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0xc3, 0xed, 0xef, 0xf4]
/** Lengths and counts that a careless decoder believes. */
const counts = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]
const tokens = ['1e999', '-0', '9007199254740993', 'NaN', 'null', '""', '{"a":', '[[[[[[[[', '\r\n', '\ufeff', '\\u0000', '\\ud800', '&#x110000;', '<!--', '"""'].map((text) => Buffer.from(text))

const of = <T>(choices: readonly T[], random: Random): T => choices[random.below(choices.length)]!
const place = (input: Uint8Array, random: Random): number => random.below(input.length + 1)

const insert = (input: Uint8Array, at: number, piece: Uint8Array, over = 0): Buffer => Buffer.concat([input.subarray(0, at), piece, input.subarray(at + over)])

/** A decoder that looks twice at each pair of these takes seconds. */
const LONG_RUN = 2 ** 16

type Mutation = (input: Uint8Array, others: readonly Uint8Array[], random: Random) => Uint8Array

/** One change to a byte that is there; an empty input stays so. */
const change = (next: (byte: number, random: Random) => number): Mutation => (input, _, random) => {
  const out = Uint8Array.from(input)
  if (out.length === 0) return out
  const at = random.below(out.length)
  out[at] = next(out[at]!, random)
  return out
}

const number = (random: Random): Uint8Array => {
  const view = Buffer.alloc(of([2, 4, 8], random))
  const value = of(counts, random)
  const little = random.below(2) === 0
  if (view.length === 2) return (little ? view.writeUInt16LE(value & 0xffff) : view.writeUInt16BE(value & 0xffff), view)
  return (little ? view.writeUInt32LE(value) : view.writeUInt32BE(value, view.length - 4), view)
}

const mutations: readonly Mutation[] = [
  change((byte, random) => byte ^ (1 << random.below(8))),
  change((_, random) => random.below(256)),
  change((_, random) => of(bytes, random)),
  change((byte, random) => byte + 1 + random.below(8)),
  (input, _, random) => insert(input, place(input, random), number(random), random.below(9)),
  (input, _, random) => insert(input, place(input, random), of(tokens, random), random.below(9)),
  (input, _, random) => insert(input, place(input, random), Buffer.alloc(0), 1 + random.below(16)),
  (input, _, random) => input.subarray(0, place(input, random)),
  (input, _, random) => {
    const from = place(input, random)
    const piece = input.subarray(from, from + random.below(64))
    return insert(input, place(input, random), Buffer.concat(Array<Uint8Array>(1 + random.below(8)).fill(piece)))
  },
  // Long ones are rare: they are for decoders that go back over what they have read, and take time that grows with its square.
  (input, _, random) => {
    const from = place(input, random)
    const piece = input.subarray(from, from + 1 + random.below(8))
    const length = random.below(10) === 0 ? LONG_RUN : 64
    return insert(input, place(input, random), Buffer.alloc(random.below(length), piece.length === 0 ? ' ' : piece))
  },
  (input, others, random) => {
    const other = of(others, random)
    return Buffer.concat([input.subarray(0, place(input, random)), other.subarray(place(other, random))])
  },
]

/** One of the sound inputs, changed one to five times. */
export const mutated = (sound: readonly Uint8Array[], random: Random): Uint8Array => {
  let input = of(sound, random)
  for (let times = 1 + random.below(5); times > 0; times--) input = of(mutations, random)(input, sound, random)
  return input
}
