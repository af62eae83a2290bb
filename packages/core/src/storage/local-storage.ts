import { constants } from 'node:fs'
import { access, link, mkdir, open, rename, rm, rmdir, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { failure, fromUnknown, throwIfAborted } from '../errors/index.js'
import { temporaryName } from './leftovers.js'
import { listLocal } from './list-local.js'
import { localTarget } from './local-target.js'
import type { FileInfo, IfExists, Output, ReadOptions, Storage } from './storage.js'

const DEFAULT_CHUNK_BYTES = 1 << 20

/** The path of a `file:` URL; a plain path stays as it is. @throws `Usage` FILE_BAD_URL for the URL of another host's file, and for one that cannot be a path */
export const localPath = (url: string): string => {
  if (!url.startsWith('file:')) return url
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw failure({ tag: 'Usage', code: 'FILE_BAD_URL', problem: 'this is no URL of a file of this machine', remedy: 'Write file:///path, or the path.', position: { source: url }, cause })
  }
}

const exists = async (path: string): Promise<boolean> =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  )

/** The error for an output that is there already. */
export const alreadyExists = (source: string): Error =>
  failure({ tag: 'AlreadyExists', code: 'OUTPUT_EXISTS', problem: 'the output exists already', remedy: "Pass ifExists: 'replace' to replace it, or write under another name.", position: { source } })

/**
 * Memory of readings that ended. What lives as long as a file is read has become old to V8: it counts against the size of the heap until all of it
 * is marked, which began every 20 MB anew and took as much as the reading of CSV.
 */
const idleChunks: Uint8Array[] = []
/** Two readings at a time. */
const MOST_IDLE_CHUNKS = 4

const takeChunk = (size: number): Uint8Array => (size === DEFAULT_CHUNK_BYTES ? idleChunks.pop() : undefined) ?? new Uint8Array(size)

/** (Memory that somebody gave away has no length any more.) */
const keepChunk = (chunk: Uint8Array): void => {
  if (chunk.length === DEFAULT_CHUNK_BYTES && idleChunks.length < MOST_IDLE_CHUNKS) idleChunks.push(chunk)
}

/** Of a file that may yet grow. */
const SMALLEST_CHUNK_BYTES = 4096

async function* readLocal(url: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const path = localPath(url)
  const { start = 0, end = Infinity, chunkBytes = DEFAULT_CHUNK_BYTES, reuse = false, into, signal } = options
  throwIfAborted(signal)
  let handle: FileHandle | undefined
  let ahead: Promise<{ readonly bytesRead: number }> | undefined
  let buffers: Uint8Array[] = []
  try {
    handle = await open(path, 'r')
    const { size: length } = await handle.stat()
    // Thousands of small files would each have a large chunk's memory. Devices and pipes have a length of 0.
    const size = Math.min(chunkBytes, Math.max(0, end - start), length > 0 ? Math.max(SMALLEST_CHUNK_BYTES, length) : Infinity)
    // One is read into while the other is looked at.
    if (reuse && into === undefined) buffers = [takeChunk(size), takeChunk(size)]
    let at = start
    while (at < end) {
      throwIfAborted(signal)
      const chunk = into?.subarray(at - start, Math.min(at - start + size, into.length)) ?? buffers[0] ?? new Uint8Array(Math.min(size, end - at))
      const { bytesRead } = await (ahead ?? handle.read(chunk, 0, Math.min(chunk.length, end - at), at))
      ahead = undefined
      if (bytesRead === 0) return
      at += bytesRead
      if (buffers.length > 0 && at < end) {
        buffers.reverse()
        ahead = handle.read(buffers[0]!, 0, Math.min(size, end - at), at)
        // Its failure is told when it is waited for.
        ahead.catch(() => undefined)
      }
      yield bytesRead === chunk.length ? chunk : chunk.subarray(0, bytesRead)
    }
  } catch (error) {
    throw fromUnknown(error, { source: url })
  } finally {
    await ahead?.catch(() => undefined)
    for (const buffer of buffers) keepChunk(buffer)
    await handle?.close()
  }
}

const renameUnlessThere = async (from: string, to: string, url: string): Promise<void> => {
  try {
    // A hard link fails when the name is taken, which a rename does not: two writers cannot both win.
    await link(from, to)
    await unlink(from)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') throw alreadyExists(url)
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS' && code !== 'EMLINK') throw error
    if (await exists(to)) throw alreadyExists(url)
    await rename(from, to)
  }
}

/** Makes the folder of an output; what `mkdir` says of a file in its path (EEXIST, ENOTDIR) would read as if the output were there. */
const makeParent = async (path: string, url: string): Promise<void> => {
  try {
    await mkdir(dirname(path), { recursive: true })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'EEXIST' && code !== 'ENOTDIR') throw error
    throw failure({
      tag: 'Storage', code: 'ENOTDIR', problem: 'a part of the path is a file, not a folder', remedy: 'Write under another path, or move that file away.', position: { source: url }, cause: error,
    })
  }
}

const createLocal = async (url: string, { ifExists, signal }: { readonly ifExists: IfExists; readonly signal?: AbortSignal | undefined }): Promise<Output> => {
  throwIfAborted(signal)
  const guard = async <A>(work: () => Promise<A>): Promise<A> => {
    try {
      return await work()
    } catch (error) {
      throw fromUnknown(error, { source: url })
    }
  }
  if (ifExists === 'fail' && (await exists(localPath(url)))) throw alreadyExists(url)
  const { path, mode } = await guard(() => localTarget(localPath(url), url))
  const temporary = temporaryName(path)
  const handle = await guard(async () => {
    await makeParent(path, url)
    return open(temporary, 'wx', mode)
  })
  // The mask of the process has taken bits away that the file had which is replaced.
  if (mode !== undefined) await handle.chmod(mode).catch(() => undefined)
  let closed = false
  const close = async (): Promise<void> => {
    if (closed) return
    closed = true
    await handle.close()
  }
  return {
    url,
    write: (bytes) =>
      guard(async () => {
        throwIfAborted(signal)
        for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten
      }),
    close: () =>
      guard(async () => {
        if (!closed) await handle.sync()
        await close()
      }),
    commit: () =>
      guard(async () => {
        await close()
        if (ifExists === 'replace') await rename(temporary, path)
        else await renameUnlessThere(temporary, path, url)
      }),
    abort: async () => {
      await close().catch(() => undefined)
      await rm(temporary, { force: true }).catch(() => undefined)
    },
  }
}

/** Files of this machine: plain paths and `file:` URLs. */
export const localStorage: Storage = {
  scheme: 'file',
  stat: async (url): Promise<FileInfo> => {
    try {
      const found = await stat(localPath(url))
      if (found.isDirectory()) {
        throw failure({ tag: 'Storage', code: 'EISDIR', problem: 'the path is a folder', remedy: 'Name a file, or a glob of the files in it.', position: { source: url } })
      }
      return { url, size: found.size }
    } catch (error) {
      throw fromUnknown(error, { source: url })
    }
  },
  read: readLocal,
  list: listLocal,
  create: createLocal,
  remove: (url) => rm(localPath(url), { force: true }),
  removeEmptyFolder: (folder) => rmdir(localPath(folder)).catch(() => undefined),
}
