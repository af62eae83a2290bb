import type { Batch, MillraceError } from '@millrace/core'
import type { FileTask } from './read-files.js'

/** What some text came to, in order: rows, a record with a fault, or a number of them that are left out and that nobody asks for. */
export type TextOutcome =
  | { readonly is: 'rows'; readonly batch: Batch }
  | { readonly is: 'bad'; readonly error: MillraceError; readonly raw: Uint8Array | undefined }
  | { readonly is: 'skipped'; readonly code: string; count: number }

/** Bad records after which the text waits until they are handed on: were all of a chunk kept, one of 1 MiB may come to half a million errors. */
const MOST_BAD = 1024
/** The same in bytes of the records. */
const MOST_RAW_BYTES = 1024 * 1024

/** What a text came to since it was last asked. */
export class TextOutcomes {
  private list: TextOutcome[] = []
  private badRecords = 0
  private rawBytes = 0

  /** Whether the text is to wait. */
  get isFull(): boolean {
    return this.badRecords >= MOST_BAD || this.rawBytes >= MOST_RAW_BYTES
  }

  rows(batch: Batch): void {
    this.list.push({ is: 'rows', batch })
  }

  bad(error: MillraceError, raw: Uint8Array | undefined): void {
    this.badRecords++
    this.rawBytes += raw?.length ?? 0
    this.list.push({ is: 'bad', error, raw })
  }

  /** Notes a bad record of which nothing but its code is asked for. */
  skipped(code: string): void {
    this.badRecords++
    const last = this.list[this.list.length - 1]
    if (last?.is === 'skipped' && last.code === code) last.count++
    else this.list.push({ is: 'skipped', code, count: 1 })
  }

  take(): readonly TextOutcome[] {
    const { list } = this
    this.list = []
    this.badRecords = 0
    this.rawBytes = 0
    return list
  }
}

/** A file whose text comes to rows and bad records. */
export interface TextFile {
  /** What became of the text since the last call, in order. @throws what ends the file, after what came before it */
  take(): Iterable<TextOutcome>
  /** Goes on with text that waited. False where none does. */
  goOn(): boolean | Promise<boolean>
}

/** The batches of the text that was pushed, while its bad records go where the user asked. */
export async function* delivered(file: TextFile, task: FileTask): AsyncGenerator<Batch, void, undefined> {
  do {
    for (const outcome of file.take()) {
      if (outcome.is === 'rows') yield outcome.batch
      else if (outcome.is === 'bad') await task.reject(outcome.error, outcome.raw)
      else await task.skip(outcome.code, outcome.count)
    }
  } while (await file.goOn())
}
