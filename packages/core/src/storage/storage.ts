/** What is known of a stored file. */
export interface FileInfo {
  /** Where it is: a path, or a URL of the storage's scheme. */
  readonly url: string
  /** Bytes, where the storage says. */
  readonly size: number | undefined
  /**
   * Another one when the file was changed, and the same wherever it is read, where the storage says so: an ETag, a generation, HDFS's time
   * of the last change. Local files have none: a copy of the same bytes has another time.
   */
  readonly version?: string | undefined
  /** `false` where only the whole file is to be had, from its first byte on, as from some web servers. Default: parts of it may be asked for. */
  readonly ranges?: false | undefined
}

/** Options of a read. */
export interface ReadOptions {
  /** First byte. Default 0. */
  readonly start?: number | undefined
  /** Byte after the last. Default: the end of the file. */
  readonly end?: number | undefined
  /** Most bytes in one chunk. Default 1 MiB. */
  readonly chunkBytes?: number | undefined
  /**
   * Allows the storage to reuse its memory: a chunk is good only until the next one is asked for, or the
   * reading is left. Fresh memory costs local reads more than all else. Default: chunks belong to the caller.
   */
  readonly reuse?: boolean | undefined
  /** Memory that a storage may read straight into, byte `start` at its beginning: chunks that are views of it are in their place already. */
  readonly into?: Uint8Array | undefined
  readonly signal?: AbortSignal | undefined
}

/** What lies in a folder. */
export interface FolderEntries {
  readonly files: readonly FileInfo[]
  /** Names of folders right in it, of whose files none is among `files`. */
  readonly folders: readonly string[]
  /** About how many requests a listing of all files below takes. Default: one for each folder. */
  readonly requests?: number | undefined
}

/** One output under way: it appears under its name at `commit`, whole, or never. */
export interface Output {
  readonly url: string
  /** Appends bytes; the buffer may be reused after the promise resolves. */
  write(bytes: Uint8Array): Promise<void>
  /** Flushes and closes the temporary file; nothing more may be written. */
  close(): Promise<void>
  /** Gives the closed output its final name. */
  commit(): Promise<void>
  /** Removes what was written. Safe at any time, also after an error. */
  abort(): Promise<void>
}

/** What to do when an output exists. */
export type IfExists = 'fail' | 'replace'

/** Files of one URL scheme. S3, Google Cloud Storage and HDFS implement the same interface. */
export interface Storage {
  /** Without the colon: `file`, `https`. */
  readonly scheme: string
  /** @throws `NotFound` */
  stat(url: string, signal?: AbortSignal): Promise<FileInfo>
  /** The bytes in order. Returning the iterator early closes the file. @throws `NotFound`, `Storage` */
  read(url: string, options?: ReadOptions): AsyncIterable<Uint8Array>
  /** Files that match a glob (`*`, `?`, `[…]`, `{a,b}`, `**`), sorted by name. Absent where the storage cannot list. */
  list?(glob: string, signal?: AbortSignal): Promise<readonly FileInfo[]>
  /**
   * What lies right in a folder, so that folders nobody asks for are not listed; or all that is below it, where that takes no more
   * requests. Absent where listing costs little.
   */
  browse?(folder: string, signal?: AbortSignal): Promise<FolderEntries>
  /** Opens an output. Absent on storages that are read only. @throws `AlreadyExists` when `ifExists` is `fail` and it does */
  create?(url: string, options: { readonly ifExists: IfExists; readonly signal?: AbortSignal | undefined }): Promise<Output>
  /** Removes a file; one that is not there is no error. */
  remove?(url: string): Promise<void>
  /** Removes a folder in which nothing is; any other one stays, which is no error. Absent where there are no folders. */
  removeEmptyFolder?(folder: string): Promise<void>
}
