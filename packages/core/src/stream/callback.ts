import { lookable } from '../errors/from-unknown.js'
import { failure, fromUnknown, isMillraceError, type ErrorPosition, type MillraceError } from '../errors/index.js'
import { ConversionError } from '../schema/index.js'

/**
 * The error for what a caller's function threw inside an operator.
 *
 * @param record - ordinal of the row in this reading of the operator's input, from 0
 * @param column - column that the function's result was for
 */
export const callbackError = (operator: string, record: number | undefined, any: unknown, column?: string): MillraceError => {
  const thrown = lookable(any)
  const position = { record, column }
  if (isMillraceError(thrown)) return thrown.at(position)
  if (thrown instanceof ConversionError) {
    return failure({
      tag: 'BadRecord',
      code: thrown.code,
      problem: `${operator}: ${thrown.message}`,
      remedy: "Give what the column's field takes, or change the field.",
      position,
      cause: thrown,
    })
  }
  if (thrown instanceof Error && thrown.name === 'AbortError') return fromUnknown(thrown, position)
  return failure({
    tag: 'Usage',
    code: 'CALLBACK_THREW',
    problem: `the function given to ${operator} threw: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    remedy: 'Mend the function, or filter such rows out before.',
    position,
    cause: thrown,
  })
}

/**
 * The error for what a caller's source, sink or listener threw. Ours and the system's (a full disk, a lost connection) stay what they are.
 *
 * @param what - who threw: `the source given to fromIterable`
 */
export const outsideError = (what: string, any: unknown, position: ErrorPosition = {}): MillraceError => {
  const thrown = lookable(any)
  if (isMillraceError(thrown)) return thrown
  const known = fromUnknown(thrown, position)
  if (known._tag !== 'Internal') return known
  return failure({
    tag: 'Usage',
    code: 'CALLBACK_THREW',
    problem: `${what} threw: ${thrown instanceof Error ? thrown.message || thrown.name : String(thrown)}`,
    remedy: 'Mend it, or catch there what it throws.',
    position,
    cause: thrown,
  })
}
