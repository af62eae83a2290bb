import { hasTag } from '../errors/index.js'
import { readIfThere } from './read-whole.js'
import { storageFor } from './registry.js'
import { notWhole } from './set-manifest.js'
import type { IfExists } from './storage.js'

/**
 * A file by which readers know whether a set is whole. Before the first other file of the set changes an earlier one is taken away, or says
 * `pending`; it appears anew when all have changed.
 */
export interface SetMarker {
  readonly url: string
  /** What it says in the meantime. Default: it is not there. */
  readonly pending?: string | undefined
  /** With `pending`, whether one that is there already, by which another job says that it is at work, ends the commit. Default `replace`. */
  readonly ifExists?: IfExists | undefined
  /** With `ifExists: 'fail'`: what one says that a killed job has left, and that is taken over. Each job is to say something else. */
  readonly leftover?: string | undefined
}

/** What a marker says, to put it back. */
const keep = async (url: string): Promise<Uint8Array | 'too large to keep' | undefined> => {
  try {
    return await readIfThere(url)
  } catch (error) {
    if (hasTag(error, 'Limit')) return 'too large to keep'
    throw error
  }
}

const put = async (url: string, bytes: Uint8Array | undefined, ifExists: IfExists = 'replace'): Promise<void> => {
  const storage = storageFor(url)
  if (bytes === undefined) return storage.remove?.(url)
  const output = await storage.create!(url, { ifExists })
  try {
    await output.write(bytes)
    await output.close()
    await output.commit()
  } catch (error) {
    await output.abort()
    throw error
  }
}

/**
 * What a marker says.
 *
 * @throws `Limit` above 256 MiB
 */
export const markerText = async (url: string, signal?: AbortSignal): Promise<string | undefined> => {
  const bytes = await readIfThere(url, { signal })
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
}

/**
 * Puts a marker that is not there, or is what a killed job has left; in one step, so that nothing passes for whole in between.
 *
 * @returns what was left
 * @throws `Corrupt` SET_NOT_WHOLE where it is another job's
 */
const putNew = async ({ url, leftover }: SetMarker, bytes: Uint8Array): Promise<Uint8Array | undefined> => {
  const isLeft = leftover !== undefined && (await markerText(url)) === leftover
  try {
    await put(url, bytes, isLeft ? 'replace' : 'fail')
    return isLeft ? Buffer.from(leftover) : undefined
  } catch (error) {
    throw hasTag(error, 'AlreadyExists') ? notWhole(url) : error
  }
}

/**
 * Takes the markers of a set away. A process that is killed from here on leaves a set that does not pass for whole.
 *
 * @returns what puts the earlier ones back, but for those too large to be held in memory: their set stays as one that is not whole
 */
export const takeMarkers = async (markers: readonly SetMarker[]): Promise<() => Promise<void>> => {
  const taken: (readonly [url: string, before: Uint8Array | undefined])[] = []
  const putBack = async (): Promise<void> => {
    for (const [url, before] of taken.reverse()) await put(url, before)
  }
  try {
    for (const marker of markers) {
      const { url, pending, ifExists } = marker
      const meanwhile = pending === undefined ? undefined : Buffer.from(pending)
      if (meanwhile !== undefined && ifExists === 'fail') {
        taken.push([url, await putNew(marker, meanwhile)])
        continue
      }
      const before = await keep(url)
      if (before !== 'too large to keep') taken.push([url, before])
      if (before !== undefined || meanwhile !== undefined) await put(url, meanwhile)
    }
  } catch (error) {
    await putBack()
    throw error
  }
  return putBack
}

/** Removes the markers that are no outputs of a set, which is whole now. */
export const dropMarkers = async (markers: readonly SetMarker[], outputs: readonly { readonly url: string }[]): Promise<void> => {
  for (const { url, pending } of markers) {
    if (pending !== undefined && !outputs.some((output) => output.url === url)) await storageFor(url).remove?.(url)
  }
}
