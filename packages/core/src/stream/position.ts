import { failure } from '../errors/index.js'

/** Plain data that survives `JSON.stringify`. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * Where a stream stands: everything before it has been delivered. Plain JSON; only the stream that gave it reads it.
 * Opening the stream `from` a position yields exactly the rest.
 */
export type Position = Json

/** The error for a position that another stream gave. */
export const badPosition = (position: Position): Error =>
  failure({
    tag: 'Usage',
    code: 'BAD_POSITION',
    problem: `${JSON.stringify(position)} is not a position of this stream`,
    remedy: 'Open the stream from a position that the same chain of operators gave.',
  })

/** Field `key` of a position, a count. @throws `Usage` when it is none */
export const countIn = (position: Position, key: string): number => {
  const value = fieldIn(position, key)
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw badPosition(position)
  return value
}

/** Field `key` of a position, `undefined` where there is none. @throws `Usage` when the position has no fields */
export const fieldIn = (position: Position, key: string): Json | undefined => {
  if (position === null || typeof position !== 'object' || Array.isArray(position)) throw badPosition(position)
  return (position as { readonly [key: string]: Json })[key]
}
