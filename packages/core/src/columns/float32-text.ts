const numberParts = /^[+-]?(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/
/** More digits than any number halfway between two float32 has. */
const TELLING_DIGITS = 250
/** Every number halfway between two float32 is a multiple of 2⁻²⁰⁰. */
const SCALE = 200
const LARGEST = 3.4028234663852886e38

const bits = new Int32Array(1)
const single = new Float32Array(bits.buffer)

/** True for a positive number halfway between two float32, or between the largest one and 2¹²⁸. */
const isHalfway = (value: number): boolean => {
  if (value > LARGEST) return value === (LARGEST + 2 ** 128) / 2
  single[0] = value
  const rounded = single[0]
  if (rounded === value) return false
  bits[0]! += rounded > value ? -1 : 1
  const other = Number.isFinite(single[0]) ? single[0] : 2 ** 128
  return (rounded + other) / 2 === value
}

/** The sign of `text` less `value`, both without their signs, exactly. */
const compareExactly = (text: string, value: number): number => {
  const [, whole = '', fraction = '', exponent = '0'] = numberParts.exec(text)!
  const digits = (whole + fraction).replace(/^0+/, '')
  const kept = digits.slice(0, TELLING_DIGITS)
  const power = Number(exponent) - fraction.length + digits.length - kept.length
  const scaled = BigInt(kept) << BigInt(SCALE)
  const due = BigInt(value * 2 ** SCALE)
  const [left, right] = power >= 0 ? [scaled * 10n ** BigInt(power), due] : [scaled, due * 10n ** BigInt(-power)]
  if (left !== right) return left > right ? 1 : -1
  return /[1-9]/.test(digits.slice(TELLING_DIGITS)) ? 1 : 0
}

/**
 * A float64 that rounds to the float32 nearest to a decimal text. `Number(text)` is one unless it is halfway between two float32:
 * then it may have come there by rounding, and rounding it again would go astray.
 *
 * @param text - digits with an optional point and exponent
 * @param value - `Number(text)`
 */
export const towardsFloat32 = (text: string, value: number): number => {
  const size = Math.abs(value)
  if (!isHalfway(size)) return value
  return value * (1 + compareExactly(text, size) * Number.EPSILON)
}
