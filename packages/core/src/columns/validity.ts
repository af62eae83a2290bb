import { bitmapBytes, countBits, getBit, setBit, sliceBits } from './bitmap.js'

/** Nulls among the first `length` rows. */
export const countNulls = (validity: Uint8Array | undefined, length: number): number =>
  validity === undefined ? 0 : length - countBits(validity, length)

/** Validity of rows `start` to `end`, from bit 0. */
export const sliceValidity = (validity: Uint8Array | undefined, start: number, end: number): Uint8Array | undefined =>
  validity === undefined ? undefined : sliceBits(validity, start, end - start)

/** Validity of the rows at `indices`; -1 is null. */
export const takeValidity = (validity: Uint8Array | undefined, indices: Int32Array): Uint8Array | undefined => {
  const out = new Uint8Array(bitmapBytes(indices.length))
  let nulls = false
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!
    if (index >= 0 && (validity === undefined || getBit(validity, index))) setBit(out, i)
    else nulls = true
  }
  return nulls ? out : undefined
}
