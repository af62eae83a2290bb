import { fieldIn, type Json, type MillraceError } from '@millrace/core'
import { errorFromWire, type WireError } from './wire-error.js'

/** Records and lines before a place. */
const countsOf = (base: Json): { readonly records: number; readonly lines: number } => {
  const line = fieldIn(base, 'line')
  return { records: Number(fieldIn(base, 'record') ?? 0), lines: typeof line === 'number' ? line - 1 : 0 }
}

const moved = (value: number | undefined, by: number): number | undefined => (value === undefined ? undefined : value + by)

/** A place of a part whose reader counted its records and lines from its beginning, which is `base`. */
export const shiftedPlace = (place: Json, base: Json): Json => {
  const { records, lines } = countsOf(base)
  const { record, line } = place as { readonly record?: number; readonly line?: number }
  return { ...(place as object), ...(record === undefined ? {} : { record: record + records }), ...(line === undefined ? {} : { line: line + lines }) }
}

/** An error of such a part. */
export const shiftedError = (error: WireError, base: Json | undefined): MillraceError => errorFromWire(base === undefined ? error : shifted(error, base)) as MillraceError

const shifted = (error: WireError, base: Json): WireError => {
  if (!('details' in error)) return error
  const { records, lines } = countsOf(base)
  const { details, cause } = error
  const { position } = details
  return {
    details: position === undefined ? details : { ...details, position: { ...position, record: moved(position.record, records), line: moved(position.line, lines) } },
    ...(cause === undefined ? {} : { cause: shifted(cause, base) }),
  }
}
