import { bitmapBytes, setBit } from '@millrace/core'

/** The values of one column of a piece of a result, as the server sent them. */
export interface Cells {
  readonly length: number
  readonly bytes: Uint8Array
  /** Of all the bytes. */
  readonly view: DataView
  /** Where each row's value begins; -1 where it is null. */
  readonly starts: Int32Array
  /** Where it ends. */
  readonly ends: Int32Array
}

/** Cells of a piece that one index may name: 4 MiB of places. */
export const MOST_CELLS = 512 * 1024

/** Most rows of a piece that is indexed. */
export const rowsOfPiece = (columns: number, batchRows: number): number => Math.min(batchRows, Math.max(1, Math.floor(MOST_CELLS / Math.max(1, columns))))

/** Arrow's bitmap of what is not null; `undefined` where nothing is null. */
export const validityOf = ({ starts, length }: Cells): Uint8Array | undefined => {
  let nulls = 0
  for (let row = 0; row < length; row++) if (starts[row]! < 0) nulls++
  if (nulls === 0) return undefined
  const validity = new Uint8Array(bitmapBytes(length))
  for (let row = 0; row < length; row++) if (starts[row]! >= 0) setBit(validity, row)
  return validity
}
