/**
 * A value that does not fit its column. Thrown by column builders, which know the value and the kind only; the reader
 * that catches it adds source, record and column. It has no stack, which takes ten times as long to make as the rest: there may be one a row.
 */
export class ConversionError extends Error {
  override readonly name = 'ConversionError'
  constructor(
    /** Upper-case, for programs: `WRONG_TYPE`, `OUT_OF_RANGE`, `NULL`, `BAD_TEXT`. */
    readonly code: 'WRONG_TYPE' | 'OUT_OF_RANGE' | 'NULL' | 'BAD_TEXT',
    message: string,
  ) {
    const { stackTraceLimit } = Error
    Reflect.set(Error, 'stackTraceLimit', 0)
    super(message)
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

/** A value as an error message shows it: quoted, cut after 40 characters. */
export const showValue = (value: unknown): string => {
  if (typeof value === 'bigint') return `${value}`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  const text = typeof value === 'string' ? JSON.stringify(value) : safeString(value)
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}

const safeString = (value: unknown): string => {
  try {
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}
