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

/** Finds where the first line ends; `undefined` where that is not to be told yet. @param longest - bytes of the longest delimiter */
const lineEnds = (delimiters: readonly Uint8Array[], longest: number): ((bytes: Uint8Array) => number | undefined) => {
  const begins = new Uint8Array(256)
  for (const [first] of delimiters) begins[first!] = 1
  return (bytes) => {
    for (let at = 0; at < bytes.length; at++) {
      if (begins[bytes[at]!] === 0) continue
      const length = delimiterAt(bytes, at, delimiters)
      // What stands at the end may be the beginning of a longer one: of \r, \r\n.
      if (length > 0) return at + longest > bytes.length && bytes[at] === CARRIAGE_RETURN ? undefined : at + length
    }
    return undefined
  }
}

/**
 * Passes over the lines before the records (`skipLines`), where the text begins with the file.
 *
 * @throws `Limit` for a line that is longer than a record may be
 */
export const skipLines = async ({ start, chunks }: Utf8Text, { skipLines: lines, recordDelimiter, maxRecordBytes }: ResolvedCsvOptions, source: string): Promise<TextFromLine> => {
  if (lines === 0) return { start, line: 1, chunks }
  const delimiters = recordDelimiter.map((delimiter) => Buffer.from(delimiter))
  const longest = Math.max(...delimiters.map((delimiter) => delimiter.length))
  const endIn = lineEnds(delimiters, longest)
  const iterator = chunks[Symbol.asyncIterator]()
  let bytes = Buffer.alloc(0)
  let at = start
  let lineStart = start
  for (let line = 1; line <= lines; ) {
    const end = endIn(bytes)
    if (at - lineStart + (end ?? bytes.length) > maxRecordBytes) {
      throw failure({
        tag: 'Limit', code: 'CSV_RECORD_TOO_LONG', problem: `a line that is to be skipped has more than ${maxRecordBytes} bytes`,
        remedy: 'Check skipLines, or raise maxRecordBytes.', position: { source, byte: lineStart, line },
      })
    }
    // Of a line that goes on only what may be the beginning of its delimiter is looked at again.
    const passed = end ?? Math.max(0, bytes.length - longest + 1)
    bytes = bytes.subarray(passed)
    at += passed
    if (end !== undefined) {
      lineStart = at
      line++
      continue
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
