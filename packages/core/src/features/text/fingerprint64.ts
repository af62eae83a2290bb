/**
 * Farmhash's Fingerprint64 (`farmhashna::Hash64`), the hash of TensorFlow's `StringToHashBucketFast`, Keras' `Hashing` and
 * the out-of-vocabulary buckets of `StringLookup`.
 *
 * Numbers of 64 bits live in pairs of 32-bit words (low, high) of one small `Int32Array`, the registers below: BigInt would
 * allocate at every step. Register names are those of farmhash.cc.
 *
 * @see https://github.com/google/farmhash/blob/master/src/farmhash.cc
 */

const registers = new Int32Array(64)
let used = 0
const register = (high = 0, low = 0): number => {
  const at = used
  registers[at] = low
  registers[at + 1] = high
  used += 2
  return at
}

const k0 = register(0xc3a5c85c, 0x97cb3127)
const k1 = register(0xb492b66f, 0xbe98f273)
const k2 = register(0x9ae16a3b, 0x2f90404f)
const seed = register(0, 81)
const [mul, a, b, c, d, e, f, g, h] = [register(), register(), register(), register(), register(), register(), register(), register(), register()]
const [x, y, z, v1, v2, w1, w2] = [register(), register(), register(), register(), register(), register(), register()]
/** Scratch of the operations themselves. */
const [s, t, result] = [register(), register(), register()]

const copy = (to: number, from: number): void => {
  registers[to] = registers[from]!
  registers[to + 1] = registers[from + 1]!
}

const add = (to: number, p: number, q: number): void => {
  const low = (registers[p]! >>> 0) + (registers[q]! >>> 0)
  registers[to + 1] = registers[p + 1]! + registers[q + 1]! + (low > 0xffffffff ? 1 : 0)
  registers[to] = low
}

const addNumber = (to: number, p: number, small: number): void => {
  const low = (registers[p]! >>> 0) + small
  registers[to + 1] = registers[p + 1]! + (low > 0xffffffff ? 1 : 0)
  registers[to] = low
}

const multiply = (to: number, p: number, q: number): void => {
  const pLow = registers[p]!
  const qLow = registers[q]!
  const p0 = pLow & 0xffff
  const p1 = pLow >>> 16
  const q0 = qLow & 0xffff
  const q1 = qLow >>> 16
  const p0q1 = Math.imul(p0, q1) >>> 0
  const p1q0 = Math.imul(p1, q0) >>> 0
  const middle = (Math.imul(p0, q0) >>> 16) + (p0q1 & 0xffff) + (p1q0 & 0xffff)
  const carried = (Math.imul(p1, q1) >>> 0) + (p0q1 >>> 16) + (p1q0 >>> 16) + (middle >>> 16)
  registers[to + 1] = carried + Math.imul(pLow, registers[q + 1]!) + Math.imul(registers[p + 1]!, qLow)
  registers[to] = Math.imul(pLow, qLow)
}

const xor = (to: number, p: number, q: number): void => {
  registers[to] = registers[p]! ^ registers[q]!
  registers[to + 1] = registers[p + 1]! ^ registers[q + 1]!
}

/** `p` rotated right by `bits`, which is neither 0 nor 32. */
const rotate = (to: number, p: number, bits: number): void => {
  const low = bits < 32 ? registers[p]! : registers[p + 1]!
  const high = bits < 32 ? registers[p + 1]! : registers[p]!
  const shift = bits & 31
  registers[to] = (low >>> shift) | (high << (32 - shift))
  registers[to + 1] = (high >>> shift) | (low << (32 - shift))
}

/** `p ^ (p >> 47)` */
const shiftMix = (to: number, p: number): void => {
  const high = registers[p + 1]!
  registers[to] = registers[p]! ^ (high >>> 15)
  registers[to + 1] = high
}

const word = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)

const fetch64 = (to: number, bytes: Uint8Array, at: number): void => {
  registers[to] = word(bytes, at)
  registers[to + 1] = word(bytes, at + 4)
}

/** HashLen16(u, v, mul) into `to`; `u` and `v` are kept unless they are `to`. */
const hashLen16 = (to: number, u: number, v: number, by: number): void => {
  xor(s, u, v)
  multiply(s, s, by)
  shiftMix(s, s)
  xor(s, v, s)
  multiply(s, s, by)
  shiftMix(s, s)
  multiply(to, s, by)
}

/** mul = k2 + 2 × length */
const lengthMultiplier = (length: number): void => addNumber(mul, k2, length * 2)

const hash0to16 = (bytes: Uint8Array, at: number, length: number): void => {
  if (length >= 8) {
    lengthMultiplier(length)
    fetch64(a, bytes, at)
    add(a, a, k2)
    fetch64(b, bytes, at + length - 8)
    rotate(c, b, 37)
    multiply(c, c, mul)
    add(c, c, a)
    rotate(d, a, 25)
    add(d, d, b)
    multiply(d, d, mul)
    hashLen16(result, c, d, mul)
  } else if (length >= 4) {
    lengthMultiplier(length)
    const first = word(bytes, at)
    registers[a] = first << 3
    registers[a + 1] = first >>> 29
    addNumber(a, a, length)
    registers[b] = word(bytes, at + length - 4)
    registers[b + 1] = 0
    hashLen16(result, a, b, mul)
  } else if (length > 0) {
    registers[a] = bytes[at]! + (bytes[at + (length >> 1)]! << 8)
    registers[a + 1] = 0
    registers[b] = length + (bytes[at + length - 1]! << 2)
    registers[b + 1] = 0
    multiply(a, a, k2)
    multiply(b, b, k0)
    xor(a, a, b)
    shiftMix(a, a)
    multiply(result, a, k2)
  } else {
    copy(result, k2)
  }
}

/** The part that lengths 17 to 64 share: a, b and c, `y` = Rotate(a + b, 43) + Rotate(c, 30) + d, `z` = a + Rotate(b + k2, 18) + c. */
const mixEnds = (bytes: Uint8Array, at: number, length: number, first: number): void => {
  lengthMultiplier(length)
  fetch64(a, bytes, at)
  multiply(a, a, first)
  fetch64(b, bytes, at + 8)
  fetch64(c, bytes, at + length - 8)
  multiply(c, c, mul)
  fetch64(d, bytes, at + length - 16)
  multiply(d, d, k2)
  add(y, a, b)
  rotate(y, y, 43)
  rotate(t, c, 30)
  add(y, y, t)
  add(y, y, d)
  add(z, b, k2)
  rotate(z, z, 18)
  add(z, z, a)
  add(z, z, c)
}

const hash17to32 = (bytes: Uint8Array, at: number, length: number): void => {
  mixEnds(bytes, at, length, k1)
  hashLen16(result, y, z, mul)
}

const hash33to64 = (bytes: Uint8Array, at: number, length: number): void => {
  mixEnds(bytes, at, length, k2)
  hashLen16(z, y, z, mul)
  fetch64(e, bytes, at + 16)
  multiply(e, e, mul)
  fetch64(f, bytes, at + 24)
  fetch64(g, bytes, at + length - 32)
  add(g, y, g)
  multiply(g, g, mul)
  fetch64(h, bytes, at + length - 24)
  add(h, z, h)
  multiply(h, h, mul)
  add(y, e, f)
  rotate(y, y, 43)
  rotate(t, g, 30)
  add(y, y, t)
  add(y, y, h)
  add(z, f, a)
  rotate(z, z, 18)
  add(z, z, e)
  add(z, z, g)
  hashLen16(result, y, z, mul)
}

/** WeakHashLen32WithSeeds(bytes + at, p, q) into `first` and `second`; `p` and `q` are overwritten. */
const weakHash32 = (first: number, second: number, bytes: Uint8Array, at: number, p: number, q: number): void => {
  fetch64(t, bytes, at)
  add(p, p, t)
  fetch64(s, bytes, at + 24)
  add(q, q, p)
  add(q, q, s)
  rotate(q, q, 21)
  copy(d, p)
  fetch64(t, bytes, at + 8)
  add(p, p, t)
  fetch64(t, bytes, at + 16)
  add(p, p, t)
  rotate(t, p, 44)
  add(q, q, t)
  add(first, p, s)
  add(second, q, d)
}

/** One round over 64 bytes. The last round multiplies by another number, and adds more of `v` and `w`. */
const round64 = (bytes: Uint8Array, at: number, by: number, times: number): void => {
  add(x, x, y)
  add(x, x, v1)
  fetch64(t, bytes, at + 8)
  add(x, x, t)
  rotate(x, x, 37)
  multiply(x, x, by)
  add(y, y, v2)
  fetch64(t, bytes, at + 48)
  add(y, y, t)
  rotate(y, y, 42)
  multiply(y, y, by)
  registers[s] = times
  registers[s + 1] = 0
  multiply(t, w2, s)
  xor(x, x, t)
  multiply(t, v1, s)
  add(y, y, t)
  fetch64(t, bytes, at + 40)
  add(y, y, t)
  add(z, z, w1)
  rotate(z, z, 33)
  multiply(z, z, by)
  multiply(a, v2, by)
  add(b, x, w1)
  weakHash32(v1, v2, bytes, at, a, b)
  add(a, z, w2)
  fetch64(t, bytes, at + 16)
  add(b, y, t)
  weakHash32(w1, w2, bytes, at + 32, a, b)
  copy(t, z)
  copy(z, x)
  copy(x, t)
}

const hashLong = (bytes: Uint8Array, start: number, length: number): void => {
  multiply(y, seed, k1)
  addNumber(y, y, 113)
  multiply(z, y, k2)
  addNumber(z, z, 113)
  shiftMix(z, z)
  multiply(z, z, k2)
  for (const zero of [v1, v2, w1, w2]) registers[zero] = registers[zero + 1] = 0
  multiply(x, seed, k2)
  fetch64(t, bytes, start)
  add(x, x, t)
  const tail = (length - 1) & 63
  const end = start + length - 1 - tail
  for (let at = start; at < end; at += 64) round64(bytes, at, k1, 1)

  registers[mul] = (registers[z]! & 0xff) << 1
  registers[mul + 1] = 0
  add(mul, k1, mul)
  addNumber(w1, w1, tail)
  add(v1, v1, w1)
  add(w1, w1, v1)
  round64(bytes, end + tail - 63, mul, 9)

  hashLen16(e, v1, w1, mul)
  shiftMix(t, y)
  multiply(t, t, k0)
  add(e, e, t)
  add(e, e, z)
  hashLen16(f, v2, w2, mul)
  add(f, f, x)
  hashLen16(result, e, f, mul)
}

const hash = (bytes: Uint8Array, start: number, end: number): void => {
  const length = end - start
  if (length <= 16) hash0to16(bytes, start, length)
  else if (length <= 32) hash17to32(bytes, start, length)
  else if (length <= 64) hash33to64(bytes, start, length)
  else hashLong(bytes, start, length)
}

const encoder = new TextEncoder()

/** Farmhash Fingerprint64 of bytes, or of a string's UTF-8, as an unsigned 64-bit integer. */
export const fingerprint64 = (value: string | Uint8Array): bigint => {
  const bytes = typeof value === 'string' ? encoder.encode(value) : value
  hash(bytes, 0, bytes.length)
  return (BigInt(registers[result + 1]! >>> 0) << 32n) | BigInt(registers[result]! >>> 0)
}

/**
 * `Fingerprint64(bytes[start..end]) mod buckets`, as TensorFlow's `StringToHashBucketFast` gives it, without a BigInt.
 *
 * @param buckets - 1 to 2³¹ - 1
 */
export const hashBucketOf = (bytes: Uint8Array, start: number, end: number, buckets: number): number => {
  if (buckets === 1) return 0
  hash(bytes, start, end)
  const low = registers[result]!
  // Sixteen bits at a time, so that the running remainder times 2^16 stays below 2^53.
  const high = (registers[result + 1]! >>> 0) % buckets
  return (((high * 65536 + (low >>> 16)) % buckets) * 65536 + (low & 0xffff)) % buckets
}
