import { failure, isMillraceError, throwIfAborted } from '../../errors/index.js'
import type { ReadOptions } from '../storage.js'
import { statusOf, type FileStatus } from './file-status.js'
import { urlAt, type HdfsPlace } from './hdfs-url.js'
import { mayPass, pauseBefore, type Answer, type NameNodes } from './name-nodes.js'
import { during, unreachable } from './web-request.js'

const DEFAULT_CHUNK_BYTES = 1 << 20
/** Connections in a row that are cut, or answer nothing, without one byte more. */
const MOST_CUTS = 6

const isSame = (a: FileStatus, b: FileStatus): boolean => a.length === b.length && a.modified === b.modified && a.id === b.id

/**
 * The bytes of a file. Where a connection is cut, or a data node ends too early, it reads on from there, from another one if need be,
 * as long as the file is still the same (length, time of change and identity).
 */
export async function* readHdfs(nodes: NameNodes, place: HdfsPlace, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const { start = 0, end: wanted = Infinity, chunkBytes = DEFAULT_CHUNK_BYTES, signal } = options
  const shown = urlAt(place, place.path)
  const first = await statusOf(nodes, place, signal)
  if (first.isFolder) throw isFolder(shown)
  const end = Math.min(wanted, first.length)
  let at = start
  for (let cuts = 0; at < end; ) {
    throwIfAborted(signal)
    const before = at
    try {
      const answer = await nodes.data({ method: 'GET', op: 'OPEN', path: place.path, parameters: { offset: at, length: end - at }, shown, signal })
      for await (const chunk of bodyOf(answer, chunkBytes)) {
        // A server that gives more than was asked for does not know ranges, and what it gives is not what lies here.
        const kept = chunk.length > end - at ? chunk.subarray(0, end - at) : chunk
        at += kept.length
        yield kept
        if (at === end) return
      }
    } catch (error) {
      throwIfAborted(signal)
      if (isMillraceError(error) && !mayPass(error)) throw error.at({ byte: at })
      if (at === before && cuts + 1 >= MOST_CUTS) throw isMillraceError(error) ? error.at({ byte: at }) : unreachable(shown, error, at)
    }
    cuts = at === before ? cuts + 1 : 1
    if (cuts >= MOST_CUTS) throw ended(shown, at, first.length)
    await pauseBefore(cuts, signal)
    if (!isSame(first, await statusOf(nodes, place, signal))) throw changed(shown, at)
  }
}

/** The chunks of an answer, none larger than `most`. Ends the connection when it is left. */
async function* bodyOf({ response, watch }: Answer, most: number): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (;;) {
      const { done, value } = await during(watch, reader.read())
      if (done) return
      for (let from = 0; from < value.length; from += most) yield value.subarray(from, from + most)
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/** The error for a folder where a file is due. */
export const isFolder = (source: string): Error =>
  failure({ tag: 'Storage', code: 'EISDIR', problem: 'the path is a folder', remedy: 'Name a file, or a glob of the files in it.', position: { source } })

const changed = (source: string, byte: number): Error =>
  failure({ tag: 'Storage', code: 'HDFS_FILE_CHANGED', problem: 'the file was changed or replaced while it was read', remedy: 'Read it again from its beginning, when nothing writes to it.', position: { source, byte } })

const ended = (source: string, byte: number, length: number): Error =>
  failure({ tag: 'Corrupt', code: 'HDFS_SHORT_BODY', problem: `the data nodes give no more than ${byte} of the file's ${length} bytes`, remedy: 'Look for missing blocks: hdfs fsck PATH.', position: { source, byte } })
