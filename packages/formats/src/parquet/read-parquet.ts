import {
  countIn, expandInputs, job, makeBatch, requireNames, throwIfAborted,
  type Batch, type Column, type FileInfo, type Job, type Json, type OptionRules, type Schema, type Stream,
} from '@millrace/core'
import { mustValidateAll, requireBatchRows } from '../reading/batch-assembler.js'
import { inputRules, type InputOptions } from '../reading/input-options.js'
import { readFiles, type FileReader, type FileSpans, type FileTask } from '../reading/read-files.js'
import { badValue, type OnBadRecord } from '../records/index.js'
import { firstFault, goodRows, requirePaths, rowJson, ToldColumns, type ColumnPaths, type Where } from '../values/index.js'
import { parquetColumns, requireShallow, type ParquetColumn } from './parquet-columns.js'
import { loadHyparquet, openParquet, parquetError, type ParquetSource } from './parquet-source.js'
import { chunkOf, readRowGroup } from './read-row-group.js'
import { hasSoundBounds, RowFilter, type Told } from './where.js'
import { requireReading } from '../reading/require-reading.js'
import { sentOptions } from '../workers/sent-options.js'

/** Options of `readParquet`. */
export interface ParquetOptions<S extends Schema = Schema> extends InputOptions<S> {
  /**
   * Which rows to read: `{ delay: { gte: 15 }, origin: { in: ['SFO', 'OAK'] } }`. Row groups and pages (where the file has
   * an index of them) whose bounds show that they have none are not read at all, nor files whose partition does. Decimals are compared by their texts' values
   * (`{ price: { gt: '12.5' } }`), exactly. A value of another type than the column's is an error. Default: all rows.
   */
  readonly where?: Where<S> | undefined
  /**
   * Where columns of the schema come from that are not called by their keys: keys with dots between, `{ city: 'user.address.city' }`; an array of keys where
   * these have dots.
   */
  readonly paths?: { readonly [K in keyof S]?: string | readonly string[] } | undefined
  /** Columns to read when there is no schema. Default: all that a kind of column can hold. */
  readonly columns?: readonly string[] | undefined
  /** Row groups to read in each file, by index. Default: all. */
  readonly rowGroups?: readonly number[] | undefined
  /** What happens to a row with a value that its column cannot hold. Default `fail`. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** Most rows in a batch. Default 4,096. */
  readonly batchRows?: number | undefined
}

const rules: OptionRules<ParquetOptions & { readonly schema?: Schema | undefined }> = { schema: 'any', ...inputRules, where: 'any', paths: 'any', columns: 'any', rowGroups: 'any', onBadRecord: 'any', batchRows: 'any' }

/** Place in one file: the row of the row group at which to go on. */
interface ParquetPlace {
  readonly rowGroup: number
  readonly row: number
}

/**
 * Reads Parquet: a path, a URL, a folder, a glob, or several, with pages decoded straight into columns; footers are read
 * by hyparquet, which must be installed.
 *
 * Row group after row group into Arrow's layout; only the byte ranges of the columns that are wanted are
 * read, those close together (within 64 KiB) by one request. Memory holds one row group's columns as they are packed, and some pages of
 * each that are decoded: rows come before those after them are known to be sound. Batches are smaller where pages end.
 *
 * Columns are found by name; their types are checked against the schema before anything is read, and each value when it is taken: integers of other widths are range-checked, `float32` and `float64` take
 * integers and decimals too (rounded to the nearest), instants are brought to the column's unit (what is finer is cut), nulls need
 * a nullable field. A value that does not fit makes its row bad (see `onBadRecord`); its raw bytes are not known.
 *
 * What structs, maps and lists of them hold are columns of their own, called by their keys with dots between: `user.address.city`, null where a
 * struct on the way is; `items.price` of a list of structs is a list, of as many items as `items.name`; a map has the lists `m.key` and `m.value`. Where
 * two columns have one name, since keys have dots too, `paths` says which is meant.
 *
 * `where` leaves rows out before they are counted as delivered; a row that is bad is told of whether it would be left out or not, unless
 * its row group or page is not read. A page index that contradicts itself or the footer is not used; bounds that are wrong without that
 * are believed, as everywhere.
 *
 * Without a schema, the columns are those of all files, by name; a column that a file lacks is null there. The stream knows them when it
 * is read, or asked: `await stream.findSchema()`. `parquetSchema` gives a schema to start from.
 *
 * @throws (while reading) `MissingPeer`, `NotFound`, `Schema`, `BadRecord`, `Corrupt` for a file that is none or is damaged
 * @see https://parquet.apache.org/docs/file-format/
 */
export function readParquet<S extends Schema>(source: string | readonly string[], options: ParquetOptions<S> & { readonly schema: S }): Stream<S, 'cold'>
export function readParquet(source: string | readonly string[], options?: ParquetOptions & { readonly schema?: undefined }): Stream<Schema, 'cold'>
export function readParquet(source: string | readonly string[], options: ParquetOptions & { readonly schema?: Schema | undefined } = {}): Stream<Schema, 'cold'> {
  return readFiles(parquetFiles(source, options))
}

/** How files of Parquet are read. */
export const parquetFiles = (source: string | readonly string[], options: ParquetOptions & { readonly schema?: Schema | undefined }): FileReader<Schema> => {
  requireReading('readParquet', source, options, { options: rules, findsSchema: true })
  const { schema, columns, rowGroups, paths } = options
  const batchRows = requireBatchRows(options.batchRows, 'readParquet')
  requirePaths(paths, schema)
  return {
    remote: sentOptions(options),
    format: 'parquet',
    rawEncoding: 'utf-8',
    source,
    schema,
    columns,
    input: options,
    where: options.where,
    onBadRecord: options.onBadRecord,
    options: { ...(columns === undefined ? {} : { columns }), ...(paths === undefined ? {} : { paths: { ...paths } as Json }), ...(rowGroups === undefined ? {} : { rowGroups }), ...(options.where === undefined ? {} : { where: Object.keys(options.where) }), batchRows },
    readFile: (task) => readFile(task, options, batchRows),
    spans: rowGroupSpans,
    schemaOf: fileSchema,
    hasColumn: async (file, name, signal) => (await columnsOf(await openParquet(file, { signal }), paths)).has(name),
  }
}

/** Row groups that have so many bytes together, one at least. */
const rowGroupSpans = async ({ file, context, resume }: FileTask, splitBytes: number): Promise<FileSpans> => {
  const { metadata } = await openParquet(file, { signal: context.signal })
  const groups = metadata.row_groups
  const bounds: { start: number; end: number }[] = []
  let bytes = 0
  for (let start = resume === undefined ? 0 : countIn(resume, 'rowGroup'), end = start; end++ < groups.length; ) {
    bytes += groups[end - 1]!.columns.reduce((sum, { meta_data: column }) => sum + Number(column?.total_compressed_size ?? 0), 0)
    if (bytes < splitBytes && end < groups.length) continue
    bounds.push({ start, end })
    start = end
    bytes = 0
  }
  return { bounds, areGuesses: false }
}

/** The schema of a Parquet file, of the first one where there are several: the columns that some kind of column can hold. */
export const parquetSchema = (source: string | readonly string[]): Job<Schema> =>
  job(async ({ signal }) => {
    const [first] = await expandInputs(source, signal)
    return fileSchema(first!, signal)
  })

const fileSchema = async (file: FileInfo, signal: AbortSignal | undefined): Promise<Schema> => (await columnsOf(await openParquet(file, { signal }))).schema()

const columnsOf = async ({ metadata, url }: ParquetSource, paths?: ColumnPaths): Promise<ToldColumns<ParquetColumn>> => {
  const { parquetSchema: schemaTree } = await loadHyparquet()
  try {
    requireShallow(metadata.schema)
    return new ToldColumns('PARQUET', url, parquetColumns(schemaTree(metadata)), paths)
  } catch (error) {
    throw parquetError(error, url, 'the schema')
  }
}

async function* readFile(task: FileTask, options: ParquetOptions, batchRows: number): AsyncGenerator<Batch, void, undefined> {
  const { context, file, span } = task
  const source = await openParquet(file, { signal: context.signal, onRead: task.onRead })
  const columns = await columnsOf(source, options.paths)
  const schema = columns.fieldsFor(task.schema, task.columns)
  requireNames(schema)
  const wanted = Object.keys(schema).filter((name) => context.columns === undefined || context.columns.includes(name))
  const filter = new RowFilter(rowConditions(task, options.where ?? {}), schema, source.url)
  const read = mustValidateAll(options.onBadRecord) ? Object.keys(schema) : [...new Set([...wanted, ...filter.columns])]
  const batchSchema = Object.fromEntries(wanted.map((name) => [name, schema[name]!]))
  const resume: ParquetPlace | undefined = task.resume === undefined ? undefined : { rowGroup: countIn(task.resume, 'rowGroup'), row: countIn(task.resume, 'row') }

  let groupStart = 0
  for (const [rowGroup, { num_rows: rowCount }] of source.metadata.row_groups.entries()) {
    const rows = Number(rowCount)
    const fileRow = groupStart
    groupStart += rows
    if (span !== undefined && (rowGroup < span.start || rowGroup >= span.end)) continue
    if (rows === 0 || options.rowGroups?.includes(rowGroup) === false || (resume !== undefined && (rowGroup < resume.rowGroup || (rowGroup === resume.rowGroup && resume.row >= rows)))) continue
    if (!filter.mayHold((name) => told(source, rowGroup, columns.get(name)))) continue
    const group = { rowGroup, rows, columns: read.map((name) => ({ name, target: schema[name]!, ...columns.get(name) })) }
    const from = resume?.rowGroup === rowGroup ? resume.row : 0
    for await (const { start, end: spanEnd, converted } of readRowGroup(source, group, filter, from)) {
      const json = typeof options.onBadRecord === 'object' ? rowJson(converted) : undefined
      for (let row = 0; row < spanEnd - start; ) {
        throwIfAborted(context.signal)
        const most = Math.min(spanEnd - start, row + batchRows)
        const bad = firstFault(converted, row, most)
        // With `fail`, the rows before the fault are sound: they are handed over before it is told.
        const end = bad !== undefined && bad > row && (options.onBadRecord ?? 'fail') === 'fail' ? bad : most
        const sound = await goodRows(converted, row, end, {
          reject: (at, column, error) => task.reject(badValue({ code: error.code, problem: error.message, column }, { source: source.url, record: fileRow + start + at }), json?.(at)),
          skip: options.onBadRecord === 'skip' ? task.skip : undefined,
        })
        const good = filter.pick(converted, row, end, sound)
        const place: ParquetPlace = { rowGroup, row: start + end }
        const picked: { [name: string]: Column } = {}
        for (const name of wanted) {
          const slice = converted[name]!.column.slice(row, end)
          picked[name] = good === undefined ? slice : slice.take(good)
        }
        const numRows = good?.length ?? end - row
        row = end
        if (numRows > 0) yield makeBatch(batchSchema, picked, numRows, { ...place })
      }
    }
  }
}

/** Those on partitions have chosen the file. */
const rowConditions = ({ partitioned }: FileTask, where: Where): Where => Object.fromEntries(Object.entries(where).filter(([name]) => !partitioned.includes(name)))

/** What the footer tells of a column of a row group. */
const told = (source: ParquetSource, rowGroup: number, { type, path }: ParquetColumn): Told => {
  const rows = Number(source.metadata.row_groups[rowGroup]!.num_rows)
  return { type, rows, statistics: path.repetition > 0 || !hasSoundBounds(type, path.element) ? undefined : chunkOf(source, rowGroup, path).meta_data!.statistics }
}
