import type { ResolvedCsvOptions } from '../csv-options.js'

/** Longest record that the kernel's memory is meant for. */
const LONGEST_RECORD = 64 * 1024 * 1024
/** Delimiters that occur in no number, no time and no bool. */
const delimiters = /^[,;\t|^~!#$%&*@\u0001\u001e\u001f]$/
const quotes = /^["'`]$/
const lineEnds: readonly string[] = ['\r\n', '\n', '\r']

/** Why a dialect is left to csv-parse; `undefined` when the columnar parser takes it. */
export const whyReference = (options: ResolvedCsvOptions): string | undefined => {
  const { delimiter, quote, escape, comment, recordDelimiter, trim, maxRecordBytes, nullTokens, columns, thousands, maxFieldLength } = options
  if (!delimiters.test(delimiter)) return `delimiter ${JSON.stringify(delimiter)}`
  if (quote !== null && !quotes.test(quote)) return `quote ${JSON.stringify(quote)}`
  if (quote !== null && escape !== quote) return 'an escape that is not the quote'
  if (recordDelimiter.some((end, i) => !lineEnds.includes(end) || recordDelimiter.indexOf(end) !== i)) return 'record delimiters of its own'
  // csv-parse takes the first that fits: after \r it would find an empty line before the \n of \r\n.
  if (recordDelimiter.includes('\r\n') && recordDelimiter[0] !== '\r\n') return 'the order of its record delimiters'
  if (comment !== null && (trim || comment === '' || comment.startsWith(delimiter) || (quote !== null && comment.startsWith(quote)) || /^[\r\n\u0080-\uffff]/.test(comment))) {
    return trim ? 'comments in fields that are trimmed' : `comment ${JSON.stringify(comment)}`
  }
  if (thousands !== undefined) return 'a separator of thousands'
  if (maxRecordBytes > LONGEST_RECORD) return 'maxRecordBytes beyond 64 MiB'
  if (nullTokens.size > 64 || [...nullTokens].some((token) => token.length > 256)) return 'too many or too long nullTokens'
  // The kernel looks for tokens before it looks at lengths.
  if ([...nullTokens].some((token) => token.length > maxFieldLength)) return 'nullTokens beyond maxFieldLength'
  if (Object.values(columns).some((place) => typeof place === 'number' && place > 65535)) return 'columns beyond the 65,536th'
  return undefined
}
