import {
  concatColumns, countIn, expandInputs, job, makeBatch, requireNames, throwIfAborted,
  type Batch, type Column, type Field, type FileInfo, type Job, type Json, type OptionRules, type Schema, type Stream,
} from '@millrace/core'
import { loadZstd } from '../codecs/zstd.js'
import { decodeLz4Frame } from '../codecs/lz4.js'
import { mustValidateAll, requireBatchRows } from '../reading/batch-assembler.js'
import { inputRules, type InputOptions } from '../reading/input-options.js'
import { readFiles, type FileReader, type FileTask } from '../reading/read-files.js'
import { requireReading } from '../reading/require-reading.js'
import { sentOptions } from '../workers/sent-options.js'
import { badValue, type OnBadRecord } from '../records/index.js'
import { convertList, convertValues, firstFault, goodRows, requirePaths, rowJson, ToldColumns, type ColumnPaths, type ConvertedColumn, type ValueType } from '../values/index.js'
import { arrowColumns, storedOf, type ArrowColumn } from './arrow-columns.js'
import { ArrowBody, type Inflate } from './arrow-body.js'
import { columnBytes } from '../values/batch-bytes.js'
import { arrowError, arrowMessages, LARGE_BYTES, type ArrowMessage } from './arrow-messages.js'
import { arrowFields, type ArrowField } from './arrow-type.js'
import type { FlatTable } from './flat-table.js'
import { DictionaryStore } from './dictionary-store.js'

/** Options of {@link readArrow}. */
export interface ArrowOptions<S extends Schema = Schema> extends InputOptions<S> {
  /**
   * Where columns of the schema come from that are not called by their keys: keys with dots between, `{ city: 'user.address.city' }`; an array of keys where
   * these have dots.
   */
  readonly paths?: { readonly [K in keyof S]?: string | readonly string[] } | undefined
  /** Columns to read when there is no schema. Default: all that a kind of column can hold. */
  readonly columns?: readonly string[] | undefined
  /** What happens to a row with a value that its column cannot hold. Default `fail`. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** Most rows in a batch; record batches of the file that are larger are cut. Default 4,096. */
  readonly batchRows?: number | undefined
}

const rules: OptionRules<ArrowOptions & { readonly schema?: Schema | undefined }> = { schema: 'any', ...inputRules, paths: 'any', columns: 'any', onBadRecord: 'any', batchRows: 'any' }

/** Place in one file: the row of the record batch at which to go on. */
interface ArrowPlace {
  readonly batch: number
  readonly row: number
}

/**
 * Reads Arrow IPC files (Feather version 2) and streams: a path, a URL, a folder, a glob, or several.
 *
 * Record batch after record batch, from the front; memory holds one of them and the dictionaries. Columns lie in Arrow's layout and
 * are taken over as they are, after every offset, length and index was checked; texts of views, offsets of 64 bits and indices of other
 * widths than 32 bits are copied. Dictionaries may be replaced or added to. Bodies may be packed with LZ4 or zstd (which takes Node
 * 22.15 or the optional peer fzstd). Columns are found by name; where the schema has another kind than the file, each value is checked
 * as it is converted: integers by range, instants brought to the column's unit, nulls need a nullable field. A value that does not fit
 * makes its row bad (see `onBadRecord`); its raw bytes are not known.
 *
 * What structs, maps and lists of them hold are columns of their own, called by their keys with dots between: `user.address.city`, null where a
 * struct on the way is; `items.price` of a list of structs is a list, of as many items as `items.name`; a map has the lists `m.key` and `m.value`. Where
 * two columns have one name, since keys have dots too, `paths` says which is meant. Views of lists and runs become lists and values of their own.
 *
 * Without a schema, the columns are those of all files, by name, that a kind of column can hold; a column that a file lacks is null there.
 * The stream knows them when it is read, or asked: `await stream.findSchema()`. `arrowFileSchema` gives a schema to start from.
 *
 * @throws (while reading) `MissingPeer`, `NotFound`, `Schema`, `BadRecord`, `Limit`, `Corrupt` for a file that is none or is damaged
 * @see https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
 */
export function readArrow<S extends Schema>(source: string | readonly string[], options: ArrowOptions<S> & { readonly schema: S }): Stream<S, 'cold'>
export function readArrow(source: string | readonly string[], options?: ArrowOptions & { readonly schema?: undefined }): Stream<Schema, 'cold'>
export function readArrow(source: string | readonly string[], options: ArrowOptions & { readonly schema?: Schema | undefined } = {}): Stream<Schema, 'cold'> {
  return readFiles(arrowFiles(source, options))
}

/** How Arrow files and streams are read. */
export const arrowFiles = (source: string | readonly string[], options: ArrowOptions & { readonly schema?: Schema | undefined }): FileReader<Schema> => {
  requireReading('readArrow', source, options, { options: rules, findsSchema: true })
  const { schema, columns, paths } = options
  const batchRows = requireBatchRows(options.batchRows, 'readArrow')
  requirePaths(paths, schema)
  return {
    remote: sentOptions(options),
    format: 'arrow',
    rawEncoding: 'utf-8',
    source,
    schema,
    columns,
    input: options,
    onBadRecord: options.onBadRecord,
    options: { ...(columns === undefined ? {} : { columns }), ...(paths === undefined ? {} : { paths: { ...paths } as Json }), batchRows },
    readFile: (task) => readFile(task, options.onBadRecord ?? 'fail', batchRows, paths),
    schemaOf: fileSchema,
    hasColumn: async (file, name, signal) => (await fileColumns(file, signal, paths)).has(name),
  }
}

/** The schema of an Arrow file or stream, of the first one where there are several: the columns that some kind of column can hold. */
export const arrowFileSchema = (source: string | readonly string[]): Job<Schema> =>
  job(async ({ signal }) => {
    const [file] = await expandInputs(source, signal)
    return fileSchema(file!, signal)
  })

const fileSchema = async (file: FileInfo, signal: AbortSignal | undefined): Promise<Schema> => (await fileColumns(file, signal)).schema()

const fileColumns = async (file: FileInfo, signal: AbortSignal | undefined, paths?: ColumnPaths): Promise<ToldColumns<ArrowColumn>> => {
  for await (const message of arrowMessages(file, { signal, onRead: () => undefined })) return toldColumns(fieldsOf(message, file.url), file.url, paths)
  return toldColumns([], file.url, paths)
}

const toldColumns = (fields: readonly ArrowField[], url: string, paths: ColumnPaths | undefined): ToldColumns<ArrowColumn> => new ToldColumns('ARROW', url, arrowColumns(fields), paths)

const fieldsOf = (message: ArrowMessage, url: string): readonly ArrowField[] => {
  try {
    return arrowFields(message.header)
  } catch (error) {
    throw arrowError(error, url, 'the schema cannot be read', { byte: message.byte })
  }
}

/** The columns of a file, and which of them become which. */
interface FilePlan {
  readonly fields: readonly ArrowField[]
  readonly schema: Schema
  /** Columns that are delivered. */
  readonly wanted: readonly string[]
  /** Columns that are decoded, by the field that each is in: more, where bad rows are left out whoever reads. */
  readonly read: ReadonlyMap<ArrowField, readonly (ArrowColumn & { readonly name: string })[]>
  /** The fields on the way to them. */
  readonly needed: ReadonlySet<ArrowField>
}

const planOf = (message: ArrowMessage, task: FileTask, policy: OnBadRecord, paths: ColumnPaths | undefined): FilePlan => {
  const { url } = task.file
  const fields = fieldsOf(message, url)
  const columns = toldColumns(fields, url, paths)
  const schema = columns.fieldsFor(task.schema, task.columns)
  requireNames(schema)
  const wanted = Object.keys(schema).filter((name) => task.context.columns === undefined || task.context.columns.includes(name))
  const decoded = (mustValidateAll(policy) ? Object.keys(schema) : wanted).map((name) => ({ ...columns.get(name), name }))
  const read = new Map(fields.map((of): [ArrowField, (typeof decoded)[number][]] => [of, []]))
  for (const column of decoded) read.get(column.through[0]!)!.push(column)
  return { fields, schema, wanted, read, needed: new Set(decoded.flatMap(({ through }) => through)) }
}

async function* readFile(task: FileTask, policy: OnBadRecord, batchRows: number, paths: ColumnPaths | undefined): AsyncGenerator<Batch, void, undefined> {
  const { context, file } = task
  const resume: ArrowPlace | undefined = task.resume === undefined ? undefined : { batch: countIn(task.resume, 'batch'), row: countIn(task.resume, 'row') }
  let plan: FilePlan | undefined
  const dictionaries = new DictionaryStore()
  let index = 0
  let fileRow = 0
  for await (const message of arrowMessages(file, { signal: context.signal, onRead: task.onRead })) {
    throwIfAborted(context.signal)
    if (message.kind === 'schema') {
      if (plan !== undefined) throw arrowError(new Error('it has two schemas'), file.url, 'the file cannot be read', { byte: message.byte })
      plan = planOf(message, task, policy, paths)
      dictionaries.know(plan.fields)
    } else if (message.kind === 'dictionary') await dictionaries.add(message, file.url, inflateFor)
    else if (message.kind === 'batch') {
      const decoded = await decodeBatch(message, plan!, dictionaries, file.url, resume !== undefined && index < resume.batch)
      if (decoded.columns !== undefined) yield* cutBatch(task, plan!, decoded, message.isLent, { batch: index, row: resume?.batch === index ? resume.row : 0 }, fileRow, batchRows, policy)
      fileRow += decoded.rows
      index++
    }
  }
}

/** The inflater of a record batch, where it is packed. */
const inflateFor = async (batch: FlatTable): Promise<Inflate | undefined> => {
  const compression = batch.table(3)
  if (compression === undefined) return undefined
  if (compression.byte(1) !== 0) throw new Error('its body is packed in a way that is not known')
  switch (compression.byte(0)) {
    case 0:
      return decodeLz4Frame
    case 1:
      return (await loadZstd('reading Arrow that is packed with zstd')).decompress
    default:
      throw new Error('its body is packed by a codec that is not known')
  }
}

interface DecodedBatch {
  readonly rows: number
  /** Absent where the batch is passed over. */
  readonly columns: { readonly [name: string]: ConvertedColumn } | undefined
}

const decodeBatch = async (message: ArrowMessage, { fields, schema, read, needed }: FilePlan, dictionaries: DictionaryStore, url: string, isPassed: boolean): Promise<DecodedBatch> => {
  let column: string | undefined
  try {
    const body = new ArrowBody(message.header, message.body, isPassed ? undefined : await inflateFor(message.header), dictionaries.values, (of) => needed.has(of))
    if (isPassed) return { rows: body.rows, columns: undefined }
    const columns: { [name: string]: ConvertedColumn } = {}
    for (const of of fields) {
      column = of.name
      if (!needed.has(of)) {
        body.skip(of)
        continue
      }
      const stored = body.column(of)
      for (const { name, type, steps } of read.get(of)!) columns[name] = convertStored(schema[(column = name)]!, type, storedOf(stored, steps))
    }
    return { rows: body.rows, columns }
  } catch (error) {
    throw arrowError(error, url, 'a record batch cannot be decoded', { byte: message.byte, column })
  }
}

const convertStored = (target: Field, type: ValueType, stored: ReturnType<typeof storedOf>): ConvertedColumn => {
  if (stored.is === 'slots') return convertValues(target, type, stored)
  if (type.is !== 'list' || target.kind !== 'list') throw new Error('the lists of a column do not fit its type')
  return convertList(target, stored.offsets, stored.validity, convertStored(target.params.item!, type.item, storedOf(stored.items, [])))
}

/** A column in memory of its own. */
const copied = (column: Column): Column => concatColumns(column.field, [column, column.slice(0, 0)])

async function* cutBatch(
  task: FileTask,
  { schema, wanted }: FilePlan,
  { columns = {}, rows }: DecodedBatch,
  isLent: boolean,
  place: ArrowPlace,
  fileRow: number,
  batchRows: number,
  policy: OnBadRecord,
): AsyncGenerator<Batch, void, undefined> {
  const batchSchema = Object.fromEntries(wanted.map((name) => [name, schema[name]!]))
  const json = typeof policy === 'object' ? rowJson(columns) : undefined
  // What was inflated has memory of its own, of which a batch would keep all as well.
  const isCopied = isLent || wanted.reduce((sum, name) => sum + columnBytes(columns[name]!.column), 0) >= LARGE_BYTES
  for (let { row } = place; row < rows; ) {
    throwIfAborted(task.context.signal)
    const bad = firstFault(columns, row, Math.min(rows, row + batchRows))
    // With `fail`, the rows before the fault are sound: they are handed over before it is told.
    const end = bad !== undefined && bad > row && policy === 'fail' ? bad : Math.min(rows, row + batchRows)
    const good = await goodRows(columns, row, end, {
      reject: (at, column, error) => task.reject(badValue({ code: error.code, problem: error.message, column }, { source: task.file.url, record: fileRow + at }), json?.(at)),
      skip: policy === 'skip' ? task.skip : undefined,
    })
    const picked: { [name: string]: Column } = {}
    for (const name of wanted) {
      const { column } = columns[name]!
      const slice = row === 0 && end === rows ? column : column.slice(row, end)
      picked[name] = good !== undefined ? slice.take(good) : isCopied ? copied(slice) : slice
    }
    const numRows = good?.length ?? end - row
    row = end
    if (numRows > 0) yield makeBatch(batchSchema, picked, numRows, { batch: place.batch, row: end })
  }
}
