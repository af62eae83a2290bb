import { failure, isMillraceError, type ErrorDetails, type MillraceError } from '@millrace/core'

/** An error as it goes from one thread to another: the classes of errors do not survive the way. */
export type WireError =
  | { readonly details: Omit<ErrorDetails, 'cause'>; readonly cause?: WireError | undefined }
  | { readonly name: string; readonly message: string; readonly code?: string | undefined; readonly stack?: string | undefined }

/** Causes of causes that are kept. */
const DEEPEST_CAUSE = 8

export const errorToWire = (error: unknown, depth = 0): WireError => {
  if (isMillraceError(error)) {
    const { _tag: tag, code, problem, remedy, position, cause } = error
    return { details: { tag, code, problem, remedy, position }, ...(cause === undefined || depth === DEEPEST_CAUSE ? {} : { cause: errorToWire(cause, depth + 1) }) }
  }
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { code } = error as NodeJS.ErrnoException
  return { name: error.name, message: error.message, stack: error.stack, ...(typeof code === 'string' ? { code } : {}) }
}

export const errorFromWire = (wire: WireError): Error => {
  if ('details' in wire) return millraceFromWire(wire)
  const error = new Error(wire.message)
  error.name = wire.name
  if (wire.stack !== undefined) error.stack = wire.stack
  return wire.code === undefined ? error : Object.assign(error, { code: wire.code })
}

const millraceFromWire = ({ details, cause }: Extract<WireError, { readonly details: object }>): MillraceError =>
  failure({ ...details, ...(cause === undefined ? {} : { cause: errorFromWire(cause) }) })
