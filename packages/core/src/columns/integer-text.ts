const numberText = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/
/** More digits than any integer kind has; what is longer is out of the range of all. */
const MOST_DIGITS = 40

/** The integer that a number of JSON is exactly, without point or exponent: `1.50e1` is 15. `undefined` for one with a fraction, however small that is. */
export const integerText = (number: string): string | undefined => {
  const match = numberText.exec(number)
  if (match === null) return undefined
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  const digits = whole + fraction
  let start = 0
  while (digits[start] === '0') start++
  let end = digits.length
  while (end > start && digits[end - 1] === '0') end--
  if (start === end) return `${sign}0`
  const zeros = Number(exponent) + whole.length - end
  if (zeros < 0) return undefined
  return `${sign}${digits.slice(start, end)}${'0'.repeat(Math.min(zeros, MOST_DIGITS))}`
}
