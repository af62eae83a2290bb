import type { ResolvedCsvOptions } from '../csv-options.js'
import { AFTER_CLOSING_QUOTE, INSIDE_FIELD } from '../csv-splitter.js'

const NEWLINE = 10
const RETURN = 13

/** A dialect in bytes. */
export interface ByteDialect {
  readonly delimiter: number
  /** 256 when there is none. */
  readonly quote: number
  readonly quoteText: string
  readonly comment: Uint8Array | undefined
  readonly trim: boolean
  readonly maxFields: number
  readonly lf: boolean
  readonly cr: boolean
  readonly crlf: boolean
}

/** @param options - of a dialect that the columnar parser takes */
export const byteDialect = ({ delimiter, quote, comment, trim, maxFields, recordDelimiter }: ResolvedCsvOptions): ByteDialect => ({
  delimiter: delimiter.charCodeAt(0),
  quote: quote === null ? 256 : quote.charCodeAt(0),
  quoteText: quote ?? '',
  comment: comment === null ? undefined : Buffer.from(comment),
  trim,
  maxFields,
  lf: recordDelimiter.includes('\n'),
  cr: recordDelimiter.includes('\r'),
  crlf: recordDelimiter.includes('\r\n'),
})

/** The fields of one record and the offset after its line end. */
export interface PlainRecord {
  /** Of a record with more than `maxFields`, one more than these: the others are passed over. */
  readonly fields: readonly string[]
  readonly end: number
}

/** A record with a quote out of place, and the offset after its line. */
export interface StrayQuote {
  readonly problem: string
  readonly end: number
}

/** Offset after the first line end at or after `at`, of whatever kind; `more` when none is there yet. */
const strayUntil = (problem: string, bytes: Uint8Array, at: number): StrayQuote | 'more' => {
  for (; at < bytes.length; at++) {
    if (bytes[at] === NEWLINE) return { problem, end: at + 1 }
    if (bytes[at] === RETURN && at + 1 < bytes.length) return { problem, end: at + (bytes[at + 1] === NEWLINE ? 2 : 1) }
  }
  return 'more'
}

/** Length of the line end at an offset, 0 where none stands, -1 where the next byte decides. */
const lineEndAt = (bytes: Uint8Array, at: number, { lf, cr, crlf }: ByteDialect): number => {
  const byte = bytes[at]
  if (byte === NEWLINE) return lf ? 1 : 0
  if (byte !== RETURN) return 0
  if (crlf && at + 1 === bytes.length) return -1
  if (crlf && bytes[at + 1] === NEWLINE) return 2
  return cr ? 1 : 0
}

const textOf = (bytes: Uint8Array, start: number, end: number): string => Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')

/**
 * Cuts the record that begins `bytes`, as csv-parse would.
 *
 * @returns `more` when it does not end there; `odd` for comments and the rarer things after quotes, which are csv-parse's to judge
 */
export const splitRecord = (bytes: Uint8Array, dialect: ByteDialect): PlainRecord | StrayQuote | 'more' | 'odd' => {
  const { delimiter, quote, quoteText, comment, trim, maxFields } = dialect
  if (comment !== undefined && bytes[0] === comment[0]) {
    const head = bytes.subarray(0, comment.length)
    if (Buffer.compare(head, comment) === 0) return 'odd'
    if (head.length < comment.length) return 'more'
  }
  const fields: string[] = []
  for (let at = 0; ; at++) {
    const start = at
    // csv-parse goes on at the line end after the last field that it has whole.
    const seekFrom = Math.max(0, start - 1)
    let length = 0
    while (at < bytes.length && bytes[at] !== delimiter && bytes[at] !== quote && (length = lineEndAt(bytes, at, dialect)) === 0) at++
    if (at === bytes.length || length < 0) return 'more'
    if (bytes[at] !== quote) {
      if (fields.length <= maxFields) {
        const text = textOf(bytes, start, at)
        fields.push(trim ? text.trim() : text)
      }
    } else {
      if (at > start && !(trim && textOf(bytes, start, at).trim() === '')) return strayUntil(INSIDE_FIELD, bytes, seekFrom)
      const from = at + 1
      for (at = from; ; at += 2) {
        while (at < bytes.length && bytes[at] !== quote) at++
        if (at + 1 >= bytes.length) return 'more'
        if (bytes[at + 1] !== quote) break
      }
      if (fields.length <= maxFields) fields.push(textOf(bytes, from, at).replaceAll(quoteText + quoteText, quoteText))
      at++
      while (trim && (bytes[at] === 32 || bytes[at] === 9) && bytes[at] !== delimiter) at++
      if (at === bytes.length) return 'more'
      length = lineEndAt(bytes, at, dialect)
      if (length < 0) return 'more'
      if (length === 0 && bytes[at] !== delimiter) {
        return trim || comment !== undefined || bytes[at] === 0 ? 'odd' : strayUntil(AFTER_CLOSING_QUOTE, bytes, seekFrom)
      }
    }
    if (length > 0) return { fields, end: at + length }
  }
}
