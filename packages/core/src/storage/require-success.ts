import { failure, hasTag } from '../errors/index.js'
import { schemeOf, storageFor } from './registry.js'

const parentOf = (folder: string): string | undefined => {
  const at = folder.lastIndexOf('/')
  return at <= 0 ? undefined : folder.slice(0, at)
}

/** Whether a file is there. */
export const isThere = async (url: string, signal: AbortSignal | undefined): Promise<boolean> => {
  try {
    await storageFor(url).stat(url, signal)
    return true
  } catch (error) {
    if (hasTag(error, 'NotFound')) return false
    throw error
  }
}

/** A folder and, where it is a partition's, those above it up to the one that a job wrote, which is the last. */
export const foldersOf = (folder: string): readonly [string, ...string[]] => {
  const slashed = schemeOf(folder) === 'file' && process.platform === 'win32' ? folder.replaceAll('\\', '/') : folder
  const folders: [string, ...string[]] = [slashed === '' ? '.' : slashed.replace(/\/+$/, '')]
  for (;;) {
    const last = folders.at(-1)!
    if (!/^[^=]+=/.test(last.slice(last.lastIndexOf('/') + 1))) return folders
    folders.push(parentOf(last) ?? '.')
  }
}

/**
 * Checks that the job that wrote a folder ended: it leaves `_SUCCESS` there, or, for a partition's folder, in the folder above.
 *
 * @throws `NotFound` JOB_NOT_DONE
 */
export const requireSuccessIn = async (folder: string, signal: AbortSignal | undefined): Promise<void> => {
  for (const above of foldersOf(folder)) if (await isThere(`${above}/_SUCCESS`, signal)) return
  throw failure({
    tag: 'NotFound', code: 'JOB_NOT_DONE', problem: 'the folder has no _SUCCESS, so the job that writes it has not ended, or has failed',
    remedy: 'Wait for the job, or run it again; leave requireSuccess out if what writes there leaves no such file.', position: { source: folder },
  })
}
