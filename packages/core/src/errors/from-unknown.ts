import { failure, isMillraceError, type ErrorPosition, type MillraceError } from './millrace-error.js'

const systemErrors: Record<string, { tag: 'NotFound' | 'AlreadyExists' | 'Storage'; problem: string; remedy: string }> = {
  ENOENT: { tag: 'NotFound', problem: 'the file does not exist', remedy: 'Check the path.' },
  ENOTDIR: { tag: 'NotFound', problem: 'a part of the path is not a folder', remedy: 'Check the path.' },
  EISDIR: { tag: 'Storage', problem: 'the path is a folder', remedy: 'Name a file, or a glob of files in it.' },
  EEXIST: { tag: 'AlreadyExists', problem: 'the file exists already', remedy: "Pass ifExists: 'replace' to replace it." },
  EACCES: { tag: 'Storage', problem: 'permission denied', remedy: 'Check the permissions of the path.' },
  EPERM: { tag: 'Storage', problem: 'operation not permitted', remedy: 'Check the permissions of the path.' },
  EROFS: { tag: 'Storage', problem: 'the file system is read-only', remedy: 'Write somewhere else.' },
  ENOSPC: { tag: 'Storage', problem: 'the disk is full', remedy: 'Free some space and run it again: nothing half-written was left.' },
  EDQUOT: { tag: 'Storage', problem: 'the disk quota is used up', remedy: 'Free some space and run it again.' },
  EFBIG: { tag: 'Storage', problem: 'the file would grow beyond what is allowed', remedy: 'Write more shards, or raise the limit of file sizes (ulimit -f).' },
  ENAMETOOLONG: { tag: 'Storage', problem: 'the name is too long', remedy: 'Use a shorter path.' },
  EMFILE: { tag: 'Storage', problem: 'too many files are open', remedy: 'Raise the limit of open files (ulimit -n).' },
  EIO: { tag: 'Storage', problem: 'the device reported an input/output error', remedy: 'Check the disk.' },
  ECONNREFUSED: { tag: 'Storage', problem: 'the connection was refused', remedy: 'Check the address and that the server is running.' },
  ECONNRESET: { tag: 'Storage', problem: 'the connection was reset', remedy: 'Try again.' },
  ETIMEDOUT: { tag: 'Storage', problem: 'the connection timed out', remedy: 'Check the address, and try again.' },
  ENOTFOUND: { tag: 'Storage', problem: 'the host name could not be resolved', remedy: 'Check the address.' },
}

/** What was thrown; of what cannot be looked at (a revoked proxy, an object without a prototype) an error that says so. */
export const lookable = (thrown: unknown): unknown => {
  try {
    if (thrown instanceof Error) void `${thrown.name}${thrown.message}${String((thrown as NodeJS.ErrnoException).code)}`
    else String(thrown)
    return thrown
  } catch {
    return new Error('something that has no text, and is no Error')
  }
}

/** Makes any thrown value a {@link MillraceError}; one that already is keeps its identity unless `position` adds to it. */
export const fromUnknown = (any: unknown, position: ErrorPosition = {}): MillraceError => {
  const thrown = lookable(any)
  if (isMillraceError(thrown)) return Object.keys(position).length === 0 ? thrown : thrown.at(position)
  if (thrown instanceof Error) {
    if (thrown.name === 'AbortError') {
      return failure({ tag: 'Aborted', code: 'ABORTED', problem: 'the work was aborted', position, cause: thrown })
    }
    const code = (thrown as NodeJS.ErrnoException).code
    // A value that a column could not take or show; by name, since the schema stands on this folder.
    if (thrown.name === 'ConversionError' && code !== undefined) {
      return failure({ tag: 'BadRecord', code, problem: thrown.message, remedy: 'Give a value that the field takes, or change the field.', position, cause: thrown })
    }
    const known = code === undefined ? undefined : systemErrors[code]
    if (code !== undefined && known !== undefined) {
      const source = position.source ?? (thrown as NodeJS.ErrnoException).path
      return failure({ ...known, code, position: { ...position, source }, cause: thrown })
    }
    return failure({ tag: 'Internal', code: code ?? 'UNEXPECTED', problem: thrown.message || thrown.name, position, cause: thrown })
  }
  return failure({ tag: 'Internal', code: 'UNEXPECTED', problem: String(thrown), position, cause: thrown })
}

/** Throws the `Aborted` error when the signal has fired. */
export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted === true) {
    throw failure({ tag: 'Aborted', code: 'ABORTED', problem: 'the work was aborted', cause: signal.reason })
  }
}
