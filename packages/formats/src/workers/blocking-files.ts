import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { fromUnknown, localPath, registerStorage, storageFor, throwIfAborted, type ReadOptions } from '@millrace/core'

/** Small enough to lie in the nearest caches still when it is decoded. */
const CHUNK_BYTES = 256 * 1024
/** Of a file that may yet grow. */
const SMALLEST_CHUNK_BYTES = 4096

/**
 * Lets this thread, which has nothing else to do, read local files itself and wait for them: to hand the work to Node's pool of threads costs more
 * than to copy what is in memory already, and bytes that another core has read have to come from there. Pipes and devices, whose reading
 * may never end, are read as before.
 *
 * @param heed - called before each chunk: while a thread waits, it hears of no event
 */
export const readFilesBlocking = (heed: () => void): void => {
  const local = storageFor('file')
  const read = (url: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> => {
    throwIfAborted(options.signal)
    const stat = statSync(localPath(url), { throwIfNoEntry: false })
    // What is not there, the storage has words for.
    return stat?.isFile() === true ? readBlocking(url, stat.size, options, heed) : local.read(url, options)
  }
  registerStorage({ ...local, read })
}

async function* readBlocking(url: string, length: number, options: ReadOptions, heed: () => void): AsyncGenerator<Uint8Array, void, undefined> {
  const { start = 0, end = Infinity, chunkBytes = CHUNK_BYTES, reuse = false, into, signal } = options
  let handle: number | undefined
  try {
    handle = openSync(localPath(url), 'r')
    const size = Math.min(chunkBytes, Math.max(0, end - start), Math.max(SMALLEST_CHUNK_BYTES, length))
    const buffer = reuse && into === undefined ? new Uint8Array(size) : undefined
    for (let at = start; at < end; ) {
      heed()
      throwIfAborted(signal)
      const chunk = into?.subarray(at - start, Math.min(at - start + size, into.length)) ?? buffer ?? new Uint8Array(Math.min(size, end - at))
      const count = readSync(handle, chunk, 0, Math.min(chunk.length, end - at), at)
      if (count === 0) return
      at += count
      yield count === chunk.length ? chunk : chunk.subarray(0, count)
    }
  } catch (error) {
    throw fromUnknown(error, { source: url })
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}
