import { concatBatches, type Batch, type Output, type Schema } from '@millrace/core'
import { batchBytes } from '../values/batch-bytes.js'

/** Writes the batches of one file in some format. */
export interface FileWriter {
  /** Bytes handed to the output. */
  readonly bytes: number
  /** Rows that it holds in memory. */
  readonly held: number
  /** Bytes that their values take. */
  readonly heldBytes: number
  /** @param firstRow - index in the stream of the first row, for errors, where the rows are as they came */
  write(batch: Batch, firstRow?: number): Promise<void>
  /** Writes what it holds. */
  flush(): Promise<void>
  /** Writes what it holds and what ends the file. */
  end(): Promise<void>
  /** Releases what it holds of the system. Safe at any time. */
  destroy(): void
}

/** What the manifest of a folder is made of. */
export interface ManifestParts {
  /** Names within the folder, in order, rows and bytes. */
  readonly files: readonly { readonly file: string; readonly rows: number; readonly bytes: number }[]
  /** The columns that are in the files. */
  readonly schema: Schema
  /** The text of the manifest of files to which these are added. */
  readonly earlier: string | undefined
  /** URL of the manifest, for errors. */
  readonly source: string
}

/** A format that files are written in. */
export interface FileFormat {
  /** What names of files in folders end in: `.csv.gz`. */
  readonly ending: string
  /** Most rows that a writer holds. */
  readonly groupRows: number
  readonly open: (output: Output, schema: Schema) => FileWriter | Promise<FileWriter>
  /**
   * The text of `.manifest.json`, which says what a folder holds. Absent where the files say it themselves.
   *
   * @throws `Schema` for files that do not belong to those that are there
   */
  readonly manifest?: (parts: ManifestParts) => string
}

/** What {@link GroupingWriter} needs of a format whose files consist of groups of rows. */
export interface GroupWriter {
  readonly bytes: number
  write(batch: Batch): Promise<void>
  end(): Promise<void>
}

/** As Hadoop's writers have it: a group of wider rows has fewer of them. */
export const MOST_GROUP_BYTES = 128 * 2 ** 20

/** Puts rows together to groups of one size, the last one of what is left; of a group, its values take 128 MiB at most, unless one row does. */
export class GroupingWriter implements FileWriter {
  held = 0
  heldBytes = 0
  private batches: Batch[] = []

  constructor(
    private readonly writer: GroupWriter,
    private readonly groupRows: number,
  ) {}

  get bytes(): number {
    return this.writer.bytes
  }

  async write(batch: Batch): Promise<void> {
    const rowBytes = batchBytes(batch) / Math.max(1, batch.numRows)
    for (let at = 0; at < batch.numRows; ) {
      const fits = Math.max(1, Math.floor((MOST_GROUP_BYTES - this.heldBytes) / rowBytes))
      const end = Math.min(batch.numRows, at + this.groupRows - this.held, at + fits)
      this.batches.push(at === 0 && end === batch.numRows ? batch : batch.slice(at, end))
      this.held += end - at
      this.heldBytes += (end - at) * rowBytes
      at = end
      if (this.held === this.groupRows || this.heldBytes + rowBytes > MOST_GROUP_BYTES) await this.flush()
    }
  }

  async flush(): Promise<void> {
    const { batches } = this
    if (this.held === 0) return
    this.batches = []
    this.held = this.heldBytes = 0
    await this.writer.write(concatBatches(batches[0]!.schema, batches))
  }

  async end(): Promise<void> {
    await this.flush()
    await this.writer.end()
  }

  destroy(): void {
    this.batches = []
  }
}
