import { hasTag } from '../errors/index.js'
import { readWhole } from './read-whole.js'
import { storageFor } from './registry.js'

/**
 * A file by which readers know whether a set is whole. Before the first other file of the set changes an earlier one is taken away, or says
 * `pending`; it appears anew when all have changed.
 */
export interface SetMarker {
  readonly url: string
  /** What it says in the meantime. Default: it is not there. */
  readonly pending?: string | undefined
}

/** An earlier marker is kept in memory; a manifest of a million files has 100 MB. */
const MAX_MARKER_BYTES = 2 ** 28

const textOf = async (url: string): Promise<Uint8Array | undefined> => {
  try {
    return await readWhole(url, { limitBytes: MAX_MARKER_BYTES })
  } catch (error) {
    if (hasTag(error, 'NotFound')) return undefined
    throw error
  }
}

const put = async (url: string, bytes: Uint8Array | undefined): Promise<void> => {
  const storage = storageFor(url)
  if (bytes === undefined) return storage.remove?.(url)
  const output = await storage.create!(url, { ifExists: 'replace' })
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
 * Takes the markers of a set away. A process that is killed from here on leaves a set that does not pass for whole.
 *
 * @returns what puts the earlier ones back
 */
export const takeMarkers = async (markers: readonly SetMarker[]): Promise<() => Promise<void>> => {
  const taken: (readonly [url: string, before: Uint8Array | undefined])[] = []
  const putBack = async (): Promise<void> => {
    for (const [url, before] of taken.reverse()) await put(url, before)
  }
  try {
    for (const { url, pending } of markers) {
      const before = await textOf(url)
      taken.push([url, before])
      if (before !== undefined || pending !== undefined) await put(url, pending === undefined ? undefined : Buffer.from(pending))
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
