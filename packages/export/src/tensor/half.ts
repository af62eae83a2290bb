/**
 * 16-bit floats, which JavaScript has no arrays for: tensors hold their bits in a `Uint16Array`. Rounding is to the nearest, ties to
 * even, as in `Eigen/src/Core/arch/Default/Half.h` and `BFloat16.h`.
 */
const scratch = new Float32Array(1)
const scratchBits = new Uint32Array(scratch.buffer)

/** Drops `count` low bits of `bits`, rounding to the nearest, ties to even. */
const roundOff = (bits: number, count: number): number => {
  const kept = bits >>> count
  const rest = bits & (2 ** count - 1)
  const half = 2 ** (count - 1)
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept
}

const toHalf = (value: number): number => {
  scratch[0] = value
  const bits = scratchBits[0]!
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  // From 65520 on, the nearest half is infinite.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude >= 0x38800000) return sign | roundOff(magnitude - 0x38000000, 13)
  // Below the smallest normal half, the steps are of 2⁻²⁴; below half of one, nothing is left.
  if (magnitude < 0x33000000) return sign
  return sign | roundOff((magnitude & 0x7fffff) | 0x800000, 126 - (magnitude >>> 23))
}

const fromHalf = (half: number): number => {
  const sign = (half & 0x8000) === 0 ? 1 : -1
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (fraction + 1024) * 2 ** (exponent - 25)
}

const toBfloat = (value: number): number => {
  scratch[0] = value
  const bits = scratchBits[0]!
  return (bits & 0x7fffffff) > 0x7f800000 ? ((bits >>> 16) & 0x8000) | 0x7fc0 : roundOff(bits, 16) & 0xffff
}

const fromBfloat = (bits: number): number => {
  scratchBits[0] = bits << 16
  return scratch[0]!
}

const converters = { float16: [toHalf, fromHalf], bfloat16: [toBfloat, fromBfloat] } as const

/** True for the dtypes whose tensors hold bits. */
export const isHalf = (dtype: string): dtype is 'float16' | 'bfloat16' => dtype in converters

/** The nearest 16-bit floats, as bits. */
export const encodeHalves = (dtype: 'float16' | 'bfloat16', values: ArrayLike<number>): Uint16Array => Uint16Array.from(values, converters[dtype][0])

/** The numbers that 16-bit floats stand for; exact. */
export const decodeHalves = (dtype: 'float16' | 'bfloat16', bits: ArrayLike<number>): Float32Array => Float32Array.from(bits, converters[dtype][1])
