import { failure, registerStorage, throwIfAborted, type ReadOptions, type Storage } from '@millrace/core'

/**
 * Files in memory under `mem:`, given in chunks of any size, and what readers do with them: how many are open, how many bytes
 * were taken.
 */
export class MemoryStorage implements Storage {
  readonly scheme = 'mem'
  readonly files = new Map<string, Uint8Array>()
  /** Bytes in a chunk, whatever the reader asks for. */
  chunkBytes = 1 << 20
  /** Reads under way. */
  open = 0
  /** Bytes given so far. */
  served = 0
  private readonly undo: () => void

  constructor() {
    this.undo = registerStorage(this)
  }

  /** Takes the scheme away again. */
  close(): void {
    this.undo()
  }

  /** Puts a file; gives its URL. */
  put(name: string, bytes: Uint8Array | string): string {
    this.files.set(`mem:${name}`, typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
    return `mem:${name}`
  }

  private find(url: string): Uint8Array {
    const bytes = this.files.get(url)
    if (bytes === undefined) throw failure({ tag: 'NotFound', code: 'ENOENT', problem: 'the file does not exist', position: { source: url } })
    return bytes
  }

  async stat(url: string): Promise<{ url: string; size: number }> {
    return { url, size: this.find(url).length }
  }

  async *read(url: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const bytes = this.find(url)
    const end = Math.min(options.end ?? bytes.length, bytes.length)
    this.open++
    try {
      for (let at = options.start ?? 0; at < end; at += this.chunkBytes) {
        throwIfAborted(options.signal)
        const chunk = bytes.slice(at, Math.min(end, at + this.chunkBytes))
        this.served += chunk.length
        yield chunk
      }
    } finally {
      this.open--
    }
  }

  async list(glob: string): Promise<readonly { url: string; size: number }[]> {
    const pattern = new RegExp(`^${glob.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`)
    return [...this.files].filter(([url]) => pattern.test(url)).map(([url, { length }]) => ({ url, size: length })).sort((a, b) => (a.url < b.url ? -1 : 1))
  }
}
