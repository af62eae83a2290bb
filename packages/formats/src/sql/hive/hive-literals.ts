import { failure, type MillraceError } from '@millrace/core'
import { sqlInstantText } from '../sql-time.js'
import type { SqlParameter, SqlStatement } from '../sql-statement.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')

const badParameter = (problem: string, remedy: string): MillraceError => failure({ tag: 'Usage', code: 'BAD_PARAMETER', problem, remedy })

const INT64 = [-(2n ** 63n), 2n ** 63n - 1n] as const
const DECIMAL38 = 10n ** 38n

const integer = (value: bigint): string => {
  if (value >= INT64[0] && value <= INT64[1]) return `CAST('${value}' AS BIGINT)`
  if (value > -DECIMAL38 && value < DECIMAL38) return `CAST('${value}' AS DECIMAL(38,0))`
  throw badParameter('an integer of more than 38 digits is no value of Hive', 'Give it as a text.')
}

/**
 * A text in a form that no server can take for something else: what backslashes and quotes mean in a literal, and whether `${…}` is
 * replaced within it, depends on the server and its settings, so that anything but plain characters goes in hexadecimal.
 */
const text = (value: string): string => {
  if (/^[\w .,:+-]*$/.test(value)) return `'${value}'`
  if (/[\uD800-\uDFFF]/.test(value) && Buffer.from(value).toString('utf8') !== value) throw badParameter('a text with half a character is no value of Hive', 'Mend the text.')
  return `CAST(unhex('${hex(Buffer.from(value))}') AS STRING)`
}

const instant = (value: Date): string => {
  const millis = value.getTime()
  if (!(millis >= -62_135_596_800_000 && millis < 253_402_300_800_000)) throw badParameter(`${String(value)} is no instant of the years 1 to 9999`, 'Give it as a text, and cast it in the query.')
  return `CAST('${sqlInstantText(BigInt(millis) * 1000n)}' AS TIMESTAMP)`
}

/** A parameter as an expression. @throws `Usage` for values that Hive does not have */
export const hiveLiteral = (value: SqlParameter): string => {
  if (value === null) return 'NULL'
  switch (typeof value) {
    case 'string':
      return text(value)
    case 'boolean':
      return value ? 'TRUE' : 'FALSE'
    case 'bigint':
      return integer(value)
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? integer(BigInt(value)) : `CAST('${Object.is(value, -0) ? '-0.0' : value}' AS DOUBLE)`
    default:
      if (value instanceof Date) return instant(value)
      if (value instanceof Uint8Array) return `unhex('${hex(value)}')`
      throw badParameter('Hive has no arrays for parameters', 'Write IN (?, ?) with a parameter for each value.')
  }
}

/** What a query is made of, as far as placeholders go: what none is in, and what may begin it. */
const token = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"|`[^`]*`|--[^\n]*|\/\*[^]*?\*\/|\?|['"`]|\/\*|[^'"`?/-]+|[^]/g

const unclear = (problem: string): MillraceError =>
  failure({ tag: 'Usage', code: 'BAD_PLACEHOLDER', problem, remedy: 'Give that text as a parameter too, or leave the comment out.' })

/** Whether servers could see the end of a piece elsewhere: raw texts, which only some have, and comments in comments. */
const requireClear = (piece: string, before: string): void => {
  if (/^['"]/.test(piece) && piece.includes('\\') && /(?:^|\W)r$/i.test(before)) throw unclear('a query with parameters has a raw text (r\'…\') with a backslash')
  if (piece.startsWith('/*') && (piece.length < 4 || piece.indexOf('/*', 2) >= 0)) throw unclear('a query with parameters has a comment that does not end, or has another one in it')
  if (/^['"`]$/.test(piece)) throw unclear('a query with parameters has a quotation that does not end')
}

/**
 * The text of a statement, with its parameters in the places of its question marks (those in quotations and comments are none).
 * HiveServer2 cannot bind values, so that they are written as literals (`hiveLiteral`).
 *
 * @throws `Usage` where there are more or fewer parameters than places, or where it is not plain what a quotation is
 */
export const hiveText = ({ sql, parameters }: SqlStatement): string => {
  if (parameters.length === 0) return sql
  let used = 0
  let before = ''
  const text = sql.replace(token, (piece) => {
    requireClear(piece, before)
    before = piece
    if (piece !== '?') return piece
    return used < parameters.length ? hiveLiteral(parameters[used++]!) : (used++, piece)
  })
  if (used === parameters.length) return text
  throw failure({
    tag: 'Usage', code: 'BAD_PLACEHOLDER', problem: `the query has ${used} question marks for ${parameters.length} parameters`, remedy: 'Give one value for each ?.',
  })
}
