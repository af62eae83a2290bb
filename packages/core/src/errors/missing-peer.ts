import { failure } from './millrace-error.js'

/**
 * Imports an optional dependency where it is used.
 *
 * @param load - `() => import('name')`, written at the call so that bundlers see it
 * @throws `MissingPeer` with the install command when the package is not there
 */
export const loadPeer = async <T>(name: string, use: string, load: () => Promise<T>): Promise<T> => {
  try {
    return await load()
  } catch (cause) {
    throw failure({
      tag: 'MissingPeer',
      code: 'MISSING_PEER',
      problem: `${use} needs the package ${name}, which could not be loaded`,
      remedy: `Install it: npm install ${name}`,
      cause,
    })
  }
}
