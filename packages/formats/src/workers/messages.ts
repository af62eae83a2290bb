import type { InputFile, Json, Schema } from '@millrace/core'
import type { WireBatch } from './wire-batch.js'
import type { WireError } from './wire-error.js'

/** A part of a file that a worker reads, in units of the format: bytes, or row groups. */
export interface SpanBounds {
  /** Records that begin here or later … */
  readonly start: number
  /** … and before here. */
  readonly end: number
  /** How records begin, where that is needed to guess where the first one does. */
  readonly key?: string | undefined
}

/** What a worker is to read. */
export interface ReadRequest {
  readonly format: string
  /** Options of the reader, `onBadRecord` apart. */
  readonly options: object
  /** `quarantine`: bad records are reported with their bytes. */
  readonly policy: 'fail' | 'skip' | 'quarantine'
  readonly file: InputFile
  readonly schema: Schema | undefined
  readonly columns: readonly string[] | undefined
  readonly partitioned: readonly string[]
  readonly resume: Json | undefined
  readonly span: SpanBounds | undefined
  /** Columns that are looked at. */
  readonly wanted: readonly string[] | undefined
  /** Whether the bytes come from the storage of the main thread. */
  readonly isBridged: boolean
  /** Most bytes that may be on their way. */
  readonly allowance: number
}

/** What the main thread says. */
export type ToWorker =
  | { readonly type: 'start'; readonly id: number; readonly request: ReadRequest }
  | { readonly type: 'credit'; readonly id: number; readonly bytes: number }
  | { readonly type: 'stop'; readonly id: number }
  | { readonly type: 'chunk'; readonly read: number; readonly chunk?: Uint8Array | undefined; readonly error?: WireError | undefined }

/** What a reading comes to, in order. */
export type ReadEvent =
  /** Where the first record of a span begins; `undefined` where none does. */
  | { readonly type: 'begin'; readonly id: number; readonly at: number | undefined }
  | ({ readonly type: 'batch' } & SentBatch)
  | { readonly type: 'reject'; readonly id: number; readonly error: WireError; readonly raw: Uint8Array | undefined; readonly bytes: number }
  | { readonly type: 'skip'; readonly id: number; readonly code: string; readonly count: number; readonly bytes: number }
  /** The last: `place` is where a span ended. */
  | { readonly type: 'end'; readonly id: number; readonly read: number; readonly place?: Json | undefined; readonly error?: WireError | undefined }

/** A batch with what came before it. */
export interface SentBatch {
  readonly batch: WireBatch
  /** Bytes of its columns. */
  readonly bytes: number
  /** Bytes taken from storage since the batch before. */
  readonly read: number
}

/** What a worker says. */
export type FromWorker =
  | Exclude<ReadEvent, { readonly type: 'batch' }>
  | { readonly type: 'batches'; readonly id: number; readonly batches: readonly SentBatch[] }
  /** It waits until more of what it sent is taken. */
  | { readonly type: 'stalled'; readonly id: number }
  | { readonly type: 'going'; readonly id: number }
  | { readonly type: 'open'; readonly read: number; readonly url: string; readonly start: number | undefined; readonly end: number | undefined }
  | { readonly type: 'next'; readonly read: number }
  | { readonly type: 'close'; readonly read: number }
