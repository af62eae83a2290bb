import type { Batch, InputFile, Schema } from '@millrace/core'
import type { FileReader, FileTask } from '../reading/read-files.js'
import { RemoteFile } from './remote-file.js'
import { Slots } from './slots.js'
import type { ResolvedWorkerOptions } from './worker-options.js'

/** The files of one reading on worker threads, of which some are read ahead. */
export class RemoteFiles {
  private readonly slots: Slots
  /** Files that were begun and that nobody asked for yet. */
  private readonly ahead = new Map<number, RemoteFile>()
  private readonly open = new Map<number, RemoteFile>()
  private readonly finished = new Set<number>()
  private isClosed = false

  constructor(
    private readonly reader: FileReader<Schema>,
    private readonly options: ResolvedWorkerOptions,
  ) {
    this.slots = new Slots(options.count)
  }

  /** Begins file `index`, and so many of those after it as there are threads for. */
  prepare(index: number, files: readonly InputFile[], taskOf: (index: number) => FileTask): void {
    let parts = 0
    for (let next = index; next < files.length && parts <= this.options.count && !this.isClosed; next++) {
      if (this.finished.has(next)) continue
      let file = this.open.get(next) ?? this.ahead.get(next)
      if (file === undefined) this.ahead.set(next, (file = this.begin(taskOf(next))))
      parts += file.left
    }
  }

  /** The batches of a file. */
  async *read(task: FileTask): AsyncGenerator<Batch, void, undefined> {
    const { index } = task
    // What was begun ahead is what is asked for first; after that, the file is read in another way.
    const file = this.ahead.get(index) ?? this.begin(task)
    this.ahead.delete(index)
    this.open.set(index, file)
    try {
      yield* file.batches()
    } finally {
      this.open.delete(index)
      this.finished.add(index)
    }
  }

  /** Ends all that was begun; resolves when the files are closed. */
  async close(): Promise<void> {
    this.isClosed = true
    await Promise.all([...this.ahead.values(), ...this.open.values()].map((file) => file.close()))
  }

  private begin(task: FileTask): RemoteFile {
    return new RemoteFile(this.reader, task, this.slots, this.options)
  }
}
