import {
  atPosition, countIn, describeField, expandInputs, failure, fieldIn, hasTag, LaterSchema, makeStream, queryDigest, shownUrl, Tally, throwIfAborted, withoutStack,
  type Batch, type FileInfo, type InputFile, type Json, type MillraceError, type OpenContext, type Position, type RunContext, type Schema, type Stream,
} from '@millrace/core'
import { rejectRecord, requirePolicy, skipRecords, withQuarantine, type OnBadRecord } from '../records/index.js'
import type { Condition } from '../values/index.js'
import { choosePartitions } from './choose-partitions.js'
import { FileColumns } from './file-columns.js'
import type { InputOptions } from './input-options.js'
import type { SpanBounds } from '../workers/messages.js'
import { RemoteFiles } from '../workers/remote-files.js'
import { resolveWorkerOptions, type ResolvedWorkerOptions } from '../workers/worker-options.js'

/** One file that a reader is asked to read. */
export interface FileTask {
  readonly file: FileInfo
  /** Which of the files of the reading it is. */
  readonly index: number
  readonly context: OpenContext
  /** The columns to read from the file; `undefined` for those that it says it has. */
  readonly schema: Schema | undefined
  /** Of the file's own columns those that were asked for by name. Default: all. */
  readonly columns: readonly string[] | undefined
  /** Columns that do not come from the file but from the folders that it is in. */
  readonly partitioned: readonly string[]
  /** Where to go on within the file, as a batch of this file said. */
  readonly resume: Json | undefined
  /** The part of the file to read, where it is not to be read whole. */
  readonly span?: FileSpan | undefined
  /** Told of bytes taken from storage. */
  readonly onRead: (bytes: number) => void
  /** Deals with a bad record as the user asked. @throws the error when the policy is `fail` */
  readonly reject: (error: MillraceError, raw: Uint8Array | undefined) => Promise<void>
  /** Counts bad records that the user has left out, by code: for where an error of each would be made for nobody. */
  readonly skip: (code: string, count: number) => Promise<void>
}

/** A part of a file: the records that begin in it. Bytes, or row groups of Parquet. */
export interface FileSpan extends SpanBounds {
  /**
   * Told where the first record begins; `undefined` where none does. Without a place to resume from, where that is may be guessed, and records
   * and lines are counted from there.
   */
  readonly found: (start: number | undefined) => void
  /** Told the place after the last record. */
  readonly ended: (place: Json) => void
}

/** Parts of a file that may be read at the same time. */
export interface FileSpans {
  /** They follow one another without a gap. */
  readonly bounds: readonly SpanBounds[]
  /** The place where the first part begins, where that is not the beginning of the file: what stands before it was looked at. Without one, the reader tells. */
  readonly from?: Json | undefined
  /** Whether only the records before tell for certain where those of a part begin, and how many came before. */
  readonly areGuesses: boolean
}

/** What {@link readFiles} needs to know of a format. */
export interface FileReader<S extends Schema> {
  /** Name of the format: `csv`. */
  readonly format: string
  readonly source: string | readonly string[]
  /** `undefined` where each file tells its own. */
  readonly schema: S | undefined
  /** Columns to read when there is no schema. Default: all. */
  readonly columns?: readonly string[] | undefined
  readonly input: InputOptions<S>
  /** Conditions on rows: those on partitions choose files, the others are left to the reader. */
  readonly where?: { readonly [name: string]: Condition | undefined } | undefined
  readonly onBadRecord: OnBadRecord | undefined
  /** In which encoding records are handed over that are bad, where they are text. */
  readonly rawEncoding?: 'utf-8' | undefined
  /** Options for the plan. */
  readonly options: Json
  /** The batches of one file, each at its position within the file. Closes the file when it is returned early. */
  readonly readFile: (task: FileTask) => AsyncGenerator<Batch, void, undefined>
  /** Options by which a worker thread reads the format's files. Plain data, `onBadRecord` apart, which is left out. */
  readonly remote: object
  /** The parts, of some size in bytes, of a file that is larger; `undefined` for one that can only be read whole. */
  readonly spans?: ((task: FileTask, splitBytes: number) => Promise<FileSpans | undefined>) | undefined
  /** The columns that a file says it has; `undefined` for an empty one, which says nothing. Absent in formats whose records may lack any. */
  readonly schemaOf?: ((file: FileInfo, signal: AbortSignal | undefined) => Promise<Schema | undefined>) | undefined
  /** Whether a file has what a column of the schema is read from. Default: by the names that `schemaOf` gives. */
  readonly hasColumn?: ((file: FileInfo, name: string, signal: AbortSignal | undefined) => Promise<boolean>) | undefined
}

interface FilePosition {
  readonly file: number
  readonly url: string
  /** {@link queryDigest} of a link; absent elsewhere, and in positions of earlier versions. */
  readonly query: string | undefined
  /** What the file had; absent where its storage did not say, and in positions of earlier versions. */
  readonly size: number | undefined
  readonly version: string | undefined
  readonly at: Json
}

const filePosition = (position: Position | undefined): FilePosition | undefined => {
  if (position === undefined) return undefined
  const file = countIn(position, 'file')
  const url = fieldIn(position, 'url')
  const at = fieldIn(position, 'at')
  const size = fieldIn(position, 'size')
  const textIn = (name: string): string | undefined => {
    const text = fieldIn(position, name)
    return typeof text === 'string' ? text : undefined
  }
  if (typeof url === 'string' && at !== undefined) return { file, url: shownUrl(url), query: textIn('query'), at, size: typeof size === 'number' ? size : undefined, version: textIn('version') }
  throw failure({
    tag: 'Usage', code: 'BAD_POSITION', problem: `${JSON.stringify(position, (_, value: unknown) => (typeof value === 'string' ? shownUrl(value) : value))} is not a position of this stream`,
    remedy: 'Open the stream from a position that the same source gave.',
  })
}

/**
 * The cold stream over the files of a source, one after another, in the order in which `expandInputs` gives them. Batches do
 * not reach across files. Positions name the file and the place in it; delivered rows are counted, and bytes reported as
 * progress. Columns that a file has not itself are filled in: those of its folders, and, nullable ones, those that others of the files
 * have.
 *
 * With `workers`, files and parts of them are decoded on worker threads.
 *
 * @throws `Usage` for an `onBadRecord` that is no policy, and workers that cannot be
 */
export const readFiles = <S extends Schema>(reader: FileReader<S>): Stream<S, 'cold'> => {
  requirePolicy(reader.onBadRecord)
  const { partitions } = reader.input
  const workers = resolveWorkerOptions(reader.input)
  const { count, order } = workers
  const isOrdered = count === 0 || order === 'kept'
  return makeStream<S, 'cold'>({
    schema: reader.schema ?? new LaterSchema((context) => findColumns(reader, context)),
    mode: 'cold',
    plan: {
      operator: `source:${reader.format}`,
      options: { source: shownSource(reader.source), ...(reader.options as object), ...(partitions === undefined ? {} : { partitions: Object.keys(partitions) }), onBadRecord: typeof reader.onBadRecord === 'object' ? 'quarantine' : (reader.onBadRecord ?? 'fail'), ...(count === 0 ? {} : { workers: count, order }) },
      inputs: [],
    },
    stableOrder: isOrdered,
    positions: 'native',
    open: (context) => withQuarantine(reader.onBadRecord, (policy) => (isOrdered ? inOrder : inAnyOrder)(reader, policy, context, workers), context),
  })
}

const shownSource = (source: string | readonly string[]): Json => (typeof source === 'string' ? shownUrl(source) : source.map(shownUrl))

/** The columns of the batches, where the files tell them. */
const findColumns = async <S extends Schema>(reader: FileReader<S>, context: RunContext): Promise<S> => {
  const choice = choosePartitions(undefined, [reader.input.partitions, reader.where])
  const found = await expandInputs(reader.source, context.signal, { requireSuccess: reader.input.requireSuccess, choose: choice?.choose })
  const columns = await FileColumns.of(reader, found, { ...context, tally: new Tally() }, choice?.seen)
  return (await columns.findSchema()) as S
}

/** The files of one reading, and how they are read. */
interface Reading {
  readonly files: readonly InputFile[]
  /** The batches of a file, each at its position in the source. */
  readonly read: (index: number, resume: Json | undefined) => AsyncGenerator<Batch, void, undefined>
  readonly finish: () => void
  readonly close: () => Promise<void>
}

const openReading = async <S extends Schema>(reader: FileReader<S>, policy: OnBadRecord | undefined, context: OpenContext, workers: ResolvedWorkerOptions): Promise<Reading> => {
  const choice = choosePartitions(reader.schema, [reader.input.partitions, reader.where])
  const found = await expandInputs(reader.source, context.signal, { requireSuccess: reader.input.requireSuccess, choose: choice?.choose, mayBeEmpty: reader.schema !== undefined })
  const remote = workers.count === 0 ? undefined : new RemoteFiles(reader, workers)
  const columns = await FileColumns.of(remote === undefined ? reader : { ...reader, readFile: (task) => remote.read(task) }, found, context, choice?.seen)
  const { files } = columns
  const progress = byteProgress(reader, files, context)
  const explained = inferenceSaid(reader)
  const reject = (error: MillraceError, raw: Uint8Array | undefined): Promise<void> => rejectRecord(policy, context, withoutStack(() => explained(error)), raw, reader.rawEncoding)
  const skip = (code: string, count: number): Promise<void> => skipRecords(context, code, count)
  const taskOf = (index: number, resume: Json | undefined): Parameters<typeof columns.read>[1] => ({ index, resume, onRead: (bytes) => progress.onRead(index, bytes), reject, skip })
  const prepare = (index: number, resume?: Json): void => remote?.prepare(index, files, (next) => columns.taskOf(files[next]!, taskOf(next, next === index ? resume : undefined)))
  return {
    files,
    read: async function* (index, resume) {
      throwIfAborted(context.signal)
      progress.begin(index)
      prepare(index, resume)
      const { url, size, version } = files[index]!
      // Links are signed anew from time to time: what is left without the signature tells the file.
      const query = queryDigest(url)
      try {
        for await (const batch of columns.read(files[index]!, taskOf(index, resume))) {
          context.tally.deliver(batch.numRows)
          progress.report(false)
          yield atPosition(batch, { file: index, url: shownUrl(url), ...(query === undefined ? {} : { query }), ...(size === undefined ? {} : { size }), ...(version === undefined ? {} : { version }), at: batch.position ?? null })
          prepare(index)
        }
        progress.end(index)
      } catch (error) {
        throw hasTag(error, 'BadRecord') ? explained(error) : error
      }
    },
    finish: () => progress.report(true),
    close: async () => remote?.close(),
  }
}

/** @throws `Usage` STALE_POSITION where the file of a position is not there, or has changed since, as far as its storage says */
const requireSame = ({ file: index, url, query, size, version }: FilePosition, file: FileInfo | undefined): void => {
  const stale = (problem: string, remedy: string): Error => failure({ tag: 'Usage', code: 'STALE_POSITION', problem, remedy })
  if (file === undefined || shownUrl(file.url) !== url) {
    throw stale(`the position is in ${url}, which is not file ${index} of the source any more`, 'Resume with the files that were there when the position was taken.')
  }
  const now = queryDigest(file.url)
  if (query !== undefined && now !== undefined && query !== now) {
    throw stale(`the position is in another file of ${url}, by the query of its link`, 'Resume with the link that the position was taken with; only what signs it (signature, expiry, token) may be another.')
  }
  const remedy = 'Read it from the beginning. If all before the position is certain to be as it was, take size and version out of the position.'
  if (size !== undefined && file.size !== undefined && size !== file.size) throw stale(`the position is in ${url} as it was with ${size} bytes, and it has ${file.size} bytes now`, remedy)
  if (version !== undefined && file.version !== undefined && version !== file.version) throw stale(`the position is in ${url} as it was before its last change (version ${version}, and ${file.version} now)`, remedy)
}

async function* inOrder<S extends Schema>(reader: FileReader<S>, policy: OnBadRecord | undefined, context: OpenContext, workers: ResolvedWorkerOptions): AsyncGenerator<Batch<S>, void, undefined> {
  const from = filePosition(context.from)
  const reading = await openReading(reader, policy, context, workers)
  const { files } = reading
  const first = from?.file ?? 0
  if (from !== undefined) requireSame(from, files[first])
  try {
    for (let index = first; index < files.length; index++) yield* reading.read(index, index === first ? from?.at : undefined) as AsyncGenerator<Batch<S>, void, undefined>
    reading.finish()
  } finally {
    await reading.close()
  }
}

/** As many files at a time as there are workers, batches as they come. */
async function* inAnyOrder<S extends Schema>(reader: FileReader<S>, policy: OnBadRecord | undefined, context: OpenContext, workers: ResolvedWorkerOptions): AsyncGenerator<Batch<S>, void, undefined> {
  if (context.from !== undefined) {
    throw failure({ tag: 'Usage', code: 'UNSTABLE_ORDER', problem: "a reader with order: 'any' gives its rows in no stable order, so it cannot resume from a position", remedy: "Read with order: 'kept'." })
  }
  const reading = await openReading(reader, policy, context, workers)
  const open = new Map<number, AsyncGenerator<Batch, void, undefined>>()
  const coming = new Map<number, Promise<{ readonly index: number; readonly next: IteratorResult<Batch, void> }>>()
  const ask = (index: number): void => void coming.set(index, open.get(index)!.next().then((next) => ({ index, next })))
  let begun = 0
  try {
    for (;;) {
      for (; begun < reading.files.length && open.size < workers.count; begun++) {
        open.set(begun, reading.read(begun, undefined))
        ask(begun)
      }
      if (open.size === 0) break
      const { index, next } = await Promise.race(coming.values())
      coming.delete(index)
      if (next.done === true) open.delete(index)
      else {
        yield atPosition(next.value as Batch<S>, undefined)
        ask(index)
      }
    }
    reading.finish()
  } finally {
    const leaving = [...coming.values()].map((promise) => promise.catch(() => undefined))
    await reading.close()
    await Promise.all(leaving)
    await Promise.all([...open.values()].map((batches) => batches.return()))
  }
}

/** Says of a value that does not fit that its type was a guess, where it was. */
const inferenceSaid = <S extends Schema>({ schema, input: { inferredFrom } }: FileReader<S>): ((error: MillraceError) => MillraceError) => {
  if (inferredFrom === undefined || schema === undefined) return (error) => error
  return (error) => {
    const { column } = error.position
    if (column === undefined || !Object.hasOwn(schema, column) || error.problem.includes('was inferred')) return error
    return failure({
      tag: error._tag, code: error.code, position: error.position, cause: error,
      problem: `${error.problem}; the type of the column, ${describeField(schema[column]!)}, was inferred from the first ${inferredFrom} rows`,
      remedy: 'Give its field in overrides of inferSchema, or infer from more rows; or leave such records out with onBadRecord.',
    })
  }
}

interface ByteProgress {
  begin(index: number): void
  onRead(index: number, bytes: number): void
  end(index: number): void
  report(finished: boolean): void
}

const byteProgress = (
  reader: { readonly format: string; readonly source: string | readonly string[] },
  files: readonly FileInfo[],
  { progress }: OpenContext,
): ByteProgress => {
  if (progress === undefined) return { begin: () => undefined, onRead: () => undefined, end: () => undefined, report: () => undefined }
  const total = files.every(({ size }) => size !== undefined) ? files.reduce((sum, { size }) => sum + size!, 0) : undefined
  const name = typeof reader.source === 'string' ? shownUrl(reader.source) : `${files.length} files`
  let first = Infinity
  let before = 0
  let done = 0
  const inFile = new Map<number, number>()
  const reach = (index: number, bytes: number): void => {
    done += bytes - (inFile.get(index) ?? 0)
    inFile.set(index, bytes)
  }
  return {
    begin: (index) => {
      // Files before the one that a reading resumes in are done.
      if (index < first) before = files.slice(0, (first = index)).reduce((sum, { size }) => sum + (size ?? 0), 0)
    },
    // What is read twice (headers, footers) counts once.
    onRead: (index, bytes) => reach(index, Math.min(files[index]!.size ?? Infinity, (inFile.get(index) ?? 0) + bytes)),
    end: (index) => reach(index, files[index]!.size ?? inFile.get(index) ?? 0),
    report: (finished) =>
      progress({ stage: `reading ${name}`, done: finished && total !== undefined ? total : before + done, total, unit: 'bytes', ...(finished ? { finished } : {}) }),
  }
}
