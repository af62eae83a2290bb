import { failure } from './millrace-error.js'

/**
 * Imports an optional dependency where it is used.
 *
 * @param load - `() => import('name')`, written at the call so that bundlers see it
 * @throws `MissingPeer`: `MISSING_PEER`, with the command that installs it, when the package is not there; `BROKEN_PEER`, with what
 *   was said, when it is there and does not load
 */
export const loadPeer = async <T>(name: string, use: string, load: () => Promise<T>): Promise<T> => {
  try {
    return await load()
  } catch (cause) {
    const needs = `${use} needs the package ${name}, which`
    if (isMissing(name, cause)) {
      throw failure({ tag: 'MissingPeer', code: 'MISSING_PEER', problem: `${needs} is not installed`, remedy: `Install it: npm install ${name}`, cause })
    }
    const said = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]!.trim().replace(/\.$/, '')
    throw failure({ tag: 'MissingPeer', code: 'BROKEN_PEER', problem: `${needs} is installed but does not load: ${said}`, remedy: `Install it again: npm rebuild ${name}`, cause })
  }
}

/** Whether `name` itself is not there, and not something that it needs in turn. */
const isMissing = (name: string, cause: unknown): boolean => {
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown }
  return (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') && String(message).includes(`'${name}'`)
}
