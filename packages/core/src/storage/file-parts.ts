import { open, type FileHandle } from 'node:fs/promises'
import { fromUnknown } from '../errors/index.js'
import { localPath } from './local-storage.js'
import { readBytes, schemeOf } from './registry.js'

/** Reads parts of files in any order. Local files stay open until `close`; of others each part is a request. */
export class FileParts {
  private readonly handles = new Map<string, Promise<FileHandle>>()

  constructor(private readonly signal?: AbortSignal | undefined) {}

  /** The bytes from `start` to `end`, fewer where the file ends before. Parts may be asked for at once. @throws `NotFound`, `Storage` */
  async read(url: string, start: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - start)
    let length = 0
    if (schemeOf(url) !== 'file') {
      for await (const chunk of readBytes(url, { start, end, signal: this.signal })) {
        bytes.set(chunk.subarray(0, bytes.length - length), length)
        length = Math.min(bytes.length, length + chunk.length)
      }
      return bytes.subarray(0, length)
    }
    try {
      const handle = await this.handleOf(url)
      while (length < bytes.length) {
        const { bytesRead } = await handle.read(bytes, length, bytes.length - length, start + length)
        if (bytesRead === 0) break
        length += bytesRead
      }
      return bytes.subarray(0, length)
    } catch (error) {
      throw fromUnknown(error, { source: url })
    }
  }

  /** Closes the files; no part may be under way. */
  async close(): Promise<void> {
    for (const opened of this.handles.values()) {
      await opened.then(
        (handle) => handle.close(),
        () => undefined,
      )
    }
  }

  private handleOf(url: string): Promise<FileHandle> {
    let found = this.handles.get(url)
    if (found === undefined) this.handles.set(url, (found = open(localPath(url), 'r')))
    return found
  }
}
