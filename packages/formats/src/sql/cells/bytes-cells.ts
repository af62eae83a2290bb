import { isUtf8 } from 'node:buffer'
import { bytesColumn, type Column, type Field } from '@millrace/core'
import { validityOf, type Cells } from './cells.js'

/** Below this a loop copies faster than a call. */
const SHORT_BYTES = 48
/** Arrow's offsets are signed 32-bit. */
const MAX_BYTES = 2147483647

/** Texts in UTF-8, or byte strings, as a column of `utf8` or `binary`; `undefined` for a text that is not UTF-8. */
export const bytesOf = (cells: Cells, field: Field): Column | undefined => {
  const offsets = offsetsOf(cells)
  if (offsets === undefined) return undefined
  const bytes = copyBytes(cells, offsets)
  if (field.kind === 'utf8' && !areTexts(bytes, offsets)) return undefined
  return bytesColumn(field, offsets, bytes, validityOf(cells))
}

const offsetsOf = ({ starts, ends, length }: Cells): Int32Array | undefined => {
  const offsets = new Int32Array(length + 1)
  let total = 0
  for (let row = 0; row < length; row++) {
    const start = starts[row]!
    if (start >= 0) total += ends[row]! - start
    offsets[row + 1] = total
  }
  return total > MAX_BYTES ? undefined : offsets
}

const copyBytes = ({ bytes: source, starts, ends, length }: Cells, offsets: Int32Array): Uint8Array => {
  // All of it is written to; zeros would be written first for nothing.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(offsets[length]!).buffer)
  for (let row = 0; row < length; row++) {
    const start = starts[row]!
    if (start < 0) continue
    const end = ends[row]!
    let at = offsets[row]!
    if (end - start > SHORT_BYTES) bytes.set(source.subarray(start, end), at)
    else for (let from = start; from < end; from++) bytes[at++] = source[from]!
  }
  return bytes
}

/** Whether each value is UTF-8: all of them together, and none begins within a character. */
const areTexts = (bytes: Uint8Array, offsets: Int32Array): boolean => {
  if (!isUtf8(bytes)) return false
  for (let row = 0; row + 1 < offsets.length; row++) {
    const start = offsets[row]!
    if (start < offsets[row + 1]! && (bytes[start]! & 0xc0) === 0x80) return false
  }
  return true
}
