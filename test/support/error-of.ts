import { isMillraceError, type MillraceError } from '@millrace/core'

/** The error that work ends with. Throws if it is not one of ours, or if there is none. */
export const errorOf = async (work: Promise<unknown> | (() => Promise<unknown>)): Promise<MillraceError> => {
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    if (isMillraceError(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}
