const TWO_32 = 4294967296

/** The two 32-bit halves of 64-bit values, low half first; a view, not a copy. Much faster than BigInt elements. */
export const halves = (values: BigInt64Array | BigUint64Array): Int32Array =>
  new Int32Array(values.buffer, values.byteOffset, values.length * 2)

/** Element `row` as a number; exact within ±2⁵³. `words` come from {@link halves} of a signed array. */
export const readInt64 = (words: Int32Array, row: number): number => words[2 * row + 1]! * TWO_32 + (words[2 * row]! >>> 0)

/** Element `row` of an unsigned array as a number; exact up to 2⁵³. */
export const readUint64 = (words: Int32Array, row: number): number => (words[2 * row + 1]! >>> 0) * TWO_32 + (words[2 * row]! >>> 0)

/** Stores a safe integer as a 64-bit element. */
export const writeInt64 = (words: Int32Array, row: number, value: number): void => {
  words[2 * row] = value | 0
  words[2 * row + 1] = Math.floor(value / TWO_32)
  if (value > 2147483647 || value < -2147483648) words[2 * row] = value - Math.floor(value / TWO_32) * TWO_32
}
