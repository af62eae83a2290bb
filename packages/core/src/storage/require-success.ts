import { failure, hasTag } from '../errors/index.js'
import { schemeOf, storageFor } from './registry.js'

const parentOf = (folder: string): string | undefined => {
  const at = folder.lastIndexOf('/')
  return at <= 0 ? undefined : folder.slice(0, at)
}

const isThere = async (url: string, signal: AbortSignal | undefined): Promise<boolean> => {
  try {
    await storageFor(url).stat(url, signal)
    return true
  } catch (error) {
    if (hasTag(error, 'NotFound')) return false
    throw error
  }
}

/**
 * Checks that the job that wrote a folder ended: it leaves `_SUCCESS` there, or, for a partition's folder, in the folder above.
 *
 * @throws `NotFound` JOB_NOT_DONE
 */
export const requireSuccessIn = async (folder: string, signal: AbortSignal | undefined): Promise<void> => {
  const slashed = schemeOf(folder) === 'file' && process.platform === 'win32' ? folder.replaceAll('\\', '/') : folder
  let above: string | undefined = slashed === '' ? '.' : slashed.replace(/\/+$/, '')
  while (above !== undefined) {
    if (await isThere(`${above}/_SUCCESS`, signal)) return
    const name: string = above.slice(above.lastIndexOf('/') + 1)
    above = /^[^=]+=/.test(name) ? (parentOf(above) ?? '.') : undefined
  }
  throw failure({
    tag: 'NotFound', code: 'JOB_NOT_DONE', problem: 'the folder has no _SUCCESS, so the job that writes it has not ended, or has failed',
    remedy: 'Wait for the job, or run it again; leave requireSuccess out if what writes there leaves no such file.', position: { source: folder },
  })
}
