import { failure } from '@millrace/core'
import type { Utf8Text } from '../reading/open-text.js'
import type { ResolvedCsvOptions } from './csv-options.js'

/** Text from a line on. */
interface TextFromLine {
  /** Offset of the first byte of `chunks`. */
  readonly start: number
  /** Its line, from 1. */
  readonly line: number
  readonly chunks: AsyncIterable<Uint8Array>
}

const CARRIAGE_RETURN = 0x0d

/** Length of the record delimiter that stands at `at`, 0 where none does; the first of them counts, as for records. */
const delimiterAt = (bytes: Uint8Array, at: number, delimiters: readonly Uint8Array[]): number =>
  delimiters.find((delimiter) => delimiter.every((byte, i) => bytes[at + i] === byte))?.length ?? 0

/** Where the first line ends; `undefined` where that is not to be told yet. */
const lineEnd = (bytes: Uint8Array, delimiters: readonly Uint8Array[]): number | undefined => {
  const longest = Math.max(...delimiters.map((delimiter) => delimiter.length))
  for (let at = 0; at < bytes.length; at++) {
    const length = delimiterAt(bytes, at, delimiters)
    // What stands at the end may be the beginning of a longer one: of \r, \r\n.
    if (length > 0) return at + longest > bytes.length && bytes[at] === CARRIAGE_RETURN ? undefined : at + length
  }
  return undefined
}

/**
 * Passes over the lines before the records (`skipLines`), where the text begins with the file.
 *
 * @throws `Limit` for a line that is longer than a record may be
 */
export const skipLines = async ({ start, chunks }: Utf8Text, { skipLines: lines, recordDelimiter, maxRecordBytes }: ResolvedCsvOptions, source: string): Promise<TextFromLine> => {
  if (lines === 0) return { start, line: 1, chunks }
  const delimiters = recordDelimiter.map((delimiter) => Buffer.from(delimiter))
  const iterator = chunks[Symbol.asyncIterator]()
  let bytes = Buffer.alloc(0)
  let at = start
  for (let line = 1; line <= lines; ) {
    const end = lineEnd(bytes, delimiters)
    if (end !== undefined && end <= maxRecordBytes) {
      bytes = bytes.subarray(end)
      at += end
      line++
      continue
    }
    if ((end ?? bytes.length) > maxRecordBytes) {
      throw failure({
        tag: 'Limit', code: 'CSV_RECORD_TOO_LONG', problem: `a line that is to be skipped has more than ${maxRecordBytes} bytes`,
        remedy: 'Check skipLines, or raise maxRecordBytes.', position: { source, byte: at, line },
      })
    }
    const next = await iterator.next()
    // A file of fewer lines has none left.
    if (next.done === true) return { start: at + bytes.length, line, chunks: none() }
    bytes = Buffer.concat([bytes, next.value])
  }
  return { start: at, line: lines + 1, chunks: rest(bytes, iterator) }
}

async function* none(): AsyncGenerator<Uint8Array, void, undefined> {
  // Nothing.
}

async function* rest(head: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length > 0) yield head
  yield* { [Symbol.asyncIterator]: () => iterator }
}
