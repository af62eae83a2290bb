/** Exponents of ten for which the kernel has a power of five. */
const LEAST = -342
const MOST = 308
const TOP = 1n << 128n

/** The first 128 bits of a power of five; of a negative one, of its inverse, rounded up. */
const significand = (power: bigint, isNegative: boolean, exponent: number): bigint => {
  const bits = BigInt(power.toString(2).length)
  if (!isNegative) return bits <= 128n ? power << (128n - bits) : power >> (bits - 128n)
  // 2^z is the first power of two that is not smaller.
  const z = power === 1n << (bits - 1n) ? bits - 1n : bits
  let inverse = (1n << (exponent >= -27 ? z + 127n : 2n * z + 128n)) / power + 1n
  while (inverse >= TOP) inverse >>= 1n
  return inverse
}

let fives: BigUint64Array | undefined

/**
 * Powers of five from -342 to 308 as pairs of 64-bit words, the high one first, as
 * D. Lemire, Number Parsing at a Gigabyte per Second (2021), has them: https://arxiv.org/abs/2101.11408
 */
export const powersOfFive = (): BigUint64Array => {
  if (fives !== undefined) return fives
  const table = new BigUint64Array(2 * (MOST - LEAST + 1))
  const put = (exponent: number, value: bigint): void => {
    table[2 * (exponent - LEAST)] = value >> 64n
    table[2 * (exponent - LEAST) + 1] = BigInt.asUintN(64, value)
  }
  let power = 1n
  for (let exponent = 0; exponent <= -LEAST; exponent++, power *= 5n) {
    if (exponent <= MOST) put(exponent, significand(power, false, exponent))
    if (exponent > 0) put(-exponent, significand(power, true, -exponent))
  }
  return (fives = table)
}

let tens: Uint8Array | undefined

/** 10⁰ to 10⁸ as 64-bit integers, then 10⁰ to 10²², all that a float64 has exactly. */
export const powersOfTen = (): Uint8Array => {
  if (tens !== undefined) return tens
  const integers = BigUint64Array.from({ length: 9 }, (_, i) => 10n ** BigInt(i))
  const floats = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`))
  const out = new Uint8Array(integers.byteLength + floats.byteLength)
  out.set(new Uint8Array(integers.buffer))
  out.set(new Uint8Array(floats.buffer), integers.byteLength)
  return (tens = out)
}
