import { failure, type MillraceError } from '@millrace/core'
import { FRAME_HEADER, headerHolds } from '../tfrecord/frame.js'

/** Bytes that {@link notText} looks at: those of a binary file are not all printable that far. */
export const BINARY_HEAD_BYTES = 64

const magics: readonly (readonly [begin: string, what: string, remedy: string])[] = [
  ['PAR1', 'a Parquet file', 'Read it with readParquet.'],
  ['ARROW1', 'an Arrow file', 'Read it with readArrow.'],
  ['PK\x03\x04', 'a zip archive, as .xlsx files do', 'Unpack it, or save the sheet as CSV.'],
  ['BZh', 'data packed with bzip2', 'Unpack it first.'],
  ['\xfd7zXZ', 'data packed with xz', 'Unpack it first.'],
  ['7z\xbc\xaf', 'a 7z archive', 'Unpack it first.'],
  ['ORC', 'an ORC file', 'Write it as Parquet.'],
  ['Obj\x01', 'an Avro file', 'Write it as Parquet or JSON lines.'],
  ['SQLite format 3', 'an SQLite database', 'Export its tables as CSV.'],
  ['\xd0\xcf\x11\xe0', 'a document of Microsoft Office', 'Save the sheet as CSV.'],
  ['%PDF', 'a PDF', 'Look for the data that it was made of.'],
]

/** No text has these: control characters other than tab, line ends and form feed. */
const isBinary = (head: Uint8Array): boolean => head.some((byte) => byte < 9 || (byte > 13 && byte < 32))

/** The error for a file that begins as binary files of some kind do, and not as text. */
export const notText = (head: Uint8Array, source: string): MillraceError | undefined => {
  if (!isBinary(head)) return undefined
  const begin = Buffer.from(head).toString('latin1')
  const [, what, remedy] =
    head.length >= FRAME_HEADER && headerHolds(head, 0) ? ['', 'a TFRecord file', 'Read it with readTfRecords.'] as const : (magics.find(([magic]) => begin.startsWith(magic)) ?? [])
  return what === undefined ? undefined : failure({ tag: 'Corrupt', code: 'NOT_TEXT', problem: `this is no text: it begins like ${what}`, remedy, position: { source, byte: 0 } })
}
