import { failure, type Batch, type Output, type OutputSet, type Schema } from '@millrace/core'
import { MOST_GROUP_BYTES, type FileFormat, type FileWriter } from './file-writer.js'
import type { FolderOptions } from './folder-options.js'

const DEFAULT_OPEN_FILES = 64
/** Each has a name and a place in the commit; a job with more of them is one that forgot to sort. */
const MAX_FILES = 1_000_000
/** Rows held in memory, and what their values take, as a multiple of those of one file's group. */
const HELD_GROUPS = 4

/**
 * Files that are closed at one time: each waits until the disk, or a service, has all of it, for milliseconds that make up most of the time of a folder of many small
 * files.
 */
const MOST_CLOSING = 16

interface OpenFile {
  readonly output: Output
  readonly writer: FileWriter
  rows: number
}

/** The files of a folder that is written: few of them open at one time, and few rows in memory. */
export class FolderFiles {
  readonly urls: string[] = []
  /** Of files that have ended. */
  readonly counts = new Map<string, { readonly rows: number; readonly bytes: number }>()
  bytes = 0
  /** By partition and shard, the one whose turn was longest ago first. */
  private readonly open = new Map<string, OpenFile>()
  private readonly names = new Map<string, number>()
  private readonly closing = new Set<Promise<void>>()

  constructor(
    private readonly set: Pick<OutputSet, 'add'>,
    private readonly root: string,
    private readonly format: FileFormat,
    private readonly options: FolderOptions,
    /** What makes the names of this job others than those of earlier ones. */
    private readonly mark: string,
  ) {}

  /** Writes rows to the file of a shard of a partition, or files. */
  async write(folder: string, shard: number, rows: Batch): Promise<void> {
    const { rowsPerFile = Infinity, bytesPerFile = Infinity } = this.options
    const key = `${folder}\0${shard}`
    for (let at = 0; at < rows.numRows; ) {
      const file = await this.fileOf(key, folder, rows.schema)
      const end = Math.min(rows.numRows, at + rowsPerFile - file.rows)
      await file.writer.write(at === 0 && end === rows.numRows ? rows : rows.slice(at, end))
      file.rows += end - at
      at = end
      if (file.rows >= rowsPerFile || file.writer.bytes >= bytesPerFile) await this.end(key)
    }
    await this.relieve()
  }

  /** Ends all files, and waits until all are closed. */
  async finish(): Promise<void> {
    for (const key of [...this.open.keys()]) await this.end(key)
    await Promise.all(this.closing)
  }

  /** Waits until no file is being closed, whatever comes of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.closing)
  }

  destroy(): void {
    for (const { writer } of this.open.values()) writer.destroy()
  }

  private async fileOf(key: string, folder: string, schema: Schema): Promise<OpenFile> {
    const known = this.open.get(key)
    if (known !== undefined) {
      this.open.delete(key)
      this.open.set(key, known)
      return known
    }
    if (this.open.size >= (this.options.openFiles ?? DEFAULT_OPEN_FILES)) await this.end(this.open.keys().next().value!)
    const output = await this.set.add(this.nextName(folder))
    const file = { output, writer: await this.format.open(output, schema), rows: 0 }
    this.open.set(key, file)
    return file
  }

  private nextName(folder: string): string {
    if (this.urls.length >= MAX_FILES) {
      throw failure({
        tag: 'Limit', code: 'TOO_MANY_FILES', problem: `the folder would have more than ${MAX_FILES} files`, remedy: 'Partition by columns with fewer values, or sort the stream by them first.', position: { source: this.root },
      })
    }
    const count = this.names.get(folder) ?? 0
    this.names.set(folder, count + 1)
    const url = [this.root, ...(folder === '' ? [] : [folder]), `part-${String(count).padStart(5, '0')}${this.mark}${this.format.ending}`].join('/')
    this.urls.push(url)
    return url
  }

  private async end(key: string): Promise<void> {
    const { writer, output, rows } = this.open.get(key)!
    await writer.end()
    this.bytes += writer.bytes
    this.counts.set(output.url, { rows, bytes: writer.bytes })
    writer.destroy()
    this.open.delete(key)
    if (this.closing.size >= MOST_CLOSING) await Promise.race(this.closing)
    const closing = output.close()
    this.closing.add(closing)
    // One that fails stays, for whoever waits next.
    closing.then(() => this.closing.delete(closing), () => undefined)
  }

  /** Lets the writers that hold most write it, until they hold few together. */
  private async relieve(): Promise<void> {
    await this.relieveOf('held', HELD_GROUPS * this.format.groupRows)
    await this.relieveOf('heldBytes', HELD_GROUPS * MOST_GROUP_BYTES)
  }

  private async relieveOf(measure: 'held' | 'heldBytes', limit: number): Promise<void> {
    let held = 0
    for (const { writer } of this.open.values()) held += writer[measure]
    while (held > limit) {
      const [first, ...others] = [...this.open.values()].map(({ writer }) => writer)
      const most = others.reduce((a, b) => (b[measure] > a[measure] ? b : a), first!)
      held -= most[measure]
      await most.flush()
    }
  }
}
