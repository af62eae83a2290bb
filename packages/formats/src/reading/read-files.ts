import {
  atPosition, countIn, describeField, expandInputs, failure, fieldIn, hasTag, makeStream, throwIfAborted,
  type Batch, type FileInfo, type Json, type MillraceError, type OpenContext, type Position, type Schema, type Stream,
} from '@millrace/core'
import { requirePolicy } from '../records/bad-records.js'
import { rejectRecord, withQuarantine, type OnBadRecord } from '../records/index.js'
import type { Condition } from '../values/index.js'
import { FileColumns } from './file-columns.js'
import type { InputOptions } from './input-options.js'

/** One file that a reader is asked to read. */
export interface FileTask {
  readonly file: FileInfo
  readonly context: OpenContext
  /** The columns to read from the file; `undefined` for those that it says it has. */
  readonly schema: Schema | undefined
  /** Of the file's own columns those that were asked for by name. Default: all. */
  readonly columns: readonly string[] | undefined
  /** Columns that do not come from the file but from the folders that it is in. */
  readonly partitioned: readonly string[]
  /** Where to go on within the file, as a batch of this file said. */
  readonly resume: Json | undefined
  /** Told of bytes taken from storage. */
  readonly onRead: (bytes: number) => void
  /** Deals with a bad record as the user asked. @throws the error when the policy is `fail` */
  readonly reject: (error: MillraceError, raw: Uint8Array | undefined) => Promise<void>
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
  /** Options for the plan. */
  readonly options: Json
  /** The batches of one file, each at its position within the file. Closes the file when it is returned early. */
  readonly readFile: (task: FileTask) => AsyncGenerator<Batch, void, undefined>
  /** The columns that a file says it has. Absent in formats whose records may lack any. */
  readonly schemaOf?: ((file: FileInfo, signal: AbortSignal | undefined) => Promise<Schema>) | undefined
  /** Whether a file has what a column of the schema is read from. Default: by the names that `schemaOf` gives. */
  readonly hasColumn?: ((file: FileInfo, name: string, signal: AbortSignal | undefined) => Promise<boolean>) | undefined
}

interface FilePosition {
  readonly file: number
  readonly url: string
  readonly at: Json
}

const filePosition = (position: Position | undefined): FilePosition | undefined => {
  if (position === undefined) return undefined
  const file = countIn(position, 'file')
  const url = fieldIn(position, 'url')
  const at = fieldIn(position, 'at')
  if (typeof url === 'string' && at !== undefined) return { file, url, at }
  throw failure({
    tag: 'Usage', code: 'BAD_POSITION', problem: `${JSON.stringify(position)} is not a position of this stream`,
    remedy: 'Open the stream from a position that the same source gave.',
  })
}

/**
 * The cold stream over the files of a source, one after another, in the order in which `expandInputs` gives them. Batches do
 * not reach across files. Positions name the file and the place in it; delivered rows are counted, and bytes reported as
 * progress. Columns that a file has not itself are filled in: those of its folders, and, nullable ones, those that others of the files
 * have.
 *
 * @throws `Usage` for an `onBadRecord` that is no policy
 */
export const readFiles = <S extends Schema>(reader: FileReader<S>): Stream<S, 'cold'> => {
  requirePolicy(reader.onBadRecord)
  const { partitions } = reader.input
  return makeStream<S, 'cold'>({
    schema: reader.schema ?? ({} as S),
    mode: 'cold',
    plan: {
      operator: `source:${reader.format}`,
      options: { source: reader.source, ...(reader.options as object), ...(partitions === undefined ? {} : { partitions: Object.keys(partitions) }), onBadRecord: typeof reader.onBadRecord === 'object' ? 'quarantine' : (reader.onBadRecord ?? 'fail') },
      inputs: [],
    },
    stableOrder: true,
    positions: 'native',
    open: (context) => withQuarantine(reader.onBadRecord, (policy) => readAll(reader, policy, context)),
  })
}

async function* readAll<S extends Schema>(reader: FileReader<S>, policy: OnBadRecord | undefined, context: OpenContext): AsyncGenerator<Batch<S>, void, undefined> {
  const from = filePosition(context.from)
  const columns = await FileColumns.of(reader, await expandInputs(reader.source, context.signal, { requireSuccess: reader.input.requireSuccess }), context)
  const { files } = columns
  const first = from?.file ?? 0
  if (from !== undefined && files[first]?.url !== from.url) {
    throw failure({
      tag: 'Usage', code: 'STALE_POSITION', problem: `the position is in ${from.url}, which is not file ${first} of the source any more`,
      remedy: 'Resume with the files that were there when the position was taken.',
    })
  }
  const progress = byteProgress(reader, files, context)
  const explained = inferenceSaid(reader)
  const reject = (error: MillraceError, raw: Uint8Array | undefined): Promise<void> => rejectRecord(policy, context, explained(error), raw)
  for (let index = first; index < files.length; index++) {
    throwIfAborted(context.signal)
    const file = files[index]!
    progress.begin(index)
    const resume = index === first ? from?.at : undefined
    try {
      for await (const batch of columns.read(file, { resume, onRead: progress.onRead, reject })) {
        context.tally.deliver(batch.numRows)
        progress.report(false)
        yield atPosition(batch as Batch<S>, { file: index, url: file.url, at: batch.position ?? null })
      }
    } catch (error) {
      throw hasTag(error, 'BadRecord') ? explained(error) : error
    }
  }
  progress.report(true)
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

const byteProgress = (
  reader: { readonly format: string; readonly source: string | readonly string[] },
  files: readonly FileInfo[],
  context: OpenContext,
): { begin(index: number): void; onRead(bytes: number): void; report(finished: boolean): void } => {
  const { progress } = context
  if (progress === undefined) return { begin: () => undefined, onRead: () => undefined, report: () => undefined }
  const total = files.every(({ size }) => size !== undefined) ? files.reduce((sum, { size }) => sum + size!, 0) : undefined
  const name = typeof reader.source === 'string' ? reader.source : `${files.length} files`
  let before = 0
  let inFile = 0
  let size = Infinity
  return {
    begin: (index) => {
      before = files.slice(0, index).reduce((sum, { size }) => sum + (size ?? 0), 0)
      inFile = 0
      size = files[index]!.size ?? Infinity
    },
    onRead: (bytes) => {
      // What is read twice (headers, footers) counts once.
      inFile = Math.min(size, inFile + bytes)
    },
    report: (finished) =>
      progress({ stage: `reading ${name}`, done: finished && total !== undefined ? total : before + inFile, total, unit: 'bytes', ...(finished ? { finished } : {}) }),
  }
}
