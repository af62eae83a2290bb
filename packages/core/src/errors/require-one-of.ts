import { failure } from './millrace-error.js'

/**
 * Checks an option that takes one of a few words, for callers whom the compiler does not check.
 *
 * @param name - what to call the option: `compression of writeTfRecords`
 * @throws `Usage` BAD_OPTION that lists the allowed words
 */
export const requireOneOf = <A extends string>(name: string, value: A, allowed: readonly A[]): A => {
  if (allowed.includes(value)) return value
  throw failure({
    tag: 'Usage',
    code: 'BAD_OPTION',
    problem: `${name} is ${describeValue(value)}`,
    remedy: `Give one of ${allowed.map((word) => `'${word}'`).join(', ')}.`,
  })
}

/** Texts in quotes, and of anything else the type: its contents may be long, or have no text form. */
export const describeValue = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? `an object of type ${(value as { readonly constructor?: { readonly name?: string } }).constructor?.name ?? 'Object'}` : `a ${typeof value}`
}
