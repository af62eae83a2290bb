import * as zlib from 'node:zlib'
import { BytesColumn, DictionaryColumn, requireCount, requireOneOf, requireOptions, type Batch, type Column, type Field, type Job, type Mode, type OptionRules, type Output, type Schema, type Stream } from '@millrace/core'
import { encodeLz4Block } from '../codecs/lz4.js'
import { loadZstdCompressor } from '../codecs/zstd.js'
import type { WriteReport } from '../tfrecord/write-tfrecords.js'
import { GroupingWriter, type FileFormat, type GroupWriter } from '../writing/file-writer.js'
import { folderRules, type FolderOptions, type HasColumns } from '../writing/folder-options.js'
import { writeFiles } from '../writing/write-files.js'
import { boundsOf } from './bounds.js'
import { withDictionary } from './choose-dictionary.js'
import { ChunkIndex, type WrittenPage } from './chunk-index.js'
import { encodeLevels, encodeRuns } from './encode-runs.js'
import { encodePlain, leafForm, type LeafForm } from './encode-values.js'
import { deflateSnappy } from './page-codecs.js'
import { bitWidth } from './page-runs.js'
import { expanded, highestLevels, leafColumn, leafField, shred } from './shred-column.js'
import { thriftStruct, type ThriftStruct, type ThriftValue } from './thrift-writer.js'

const MAGIC = Buffer.from('PAR1')
const DEFAULT_GROUP_ROWS = 131_072
/** Rows of a page, fewer where they are large: a reader inflates a page at a time. */
const PAGE_ROWS = 16_384
const PAGE_BYTES = 1024 * 1024
const encodings = { plain: 0, rle: 3, dictionary: 8 } as const

/** How pages are packed. */
export type ParquetCompression = 'none' | 'snappy' | 'gzip' | 'brotli' | 'zstd' | 'lz4'

/** Options of {@link writeParquet}. */
export interface WriteParquetOptions<K extends string = string> extends FolderOptions<K> {
  /** How pages are packed; `lz4` is LZ4_RAW, `zstd` takes Node 22.15 or the package `@bokuweb/zstd-wasm`. Default `snappy`, which everything reads. */
  readonly compression?: ParquetCompression | undefined
  /** Most rows of a row group, which is held in memory: smaller batches of the stream are put together. Groups of wide rows end at 128 MiB of values. Default 131,072. */
  readonly rowGroupRows?: number | undefined
  /**
   * Whether any column of a row group is stored as a dictionary where that saves a quarter of its bytes before packing, with a dictionary of 1 MiB at most. Default
   * true; with false, dictionary columns alone are.
   */
  readonly dictionary?: boolean | undefined
  /**
   * What timestamps are to readers: instants, or times of day that belong to no zone, of the digits that the instants have in UTC
   * (`isAdjustedToUTC` false), as Hive's `TIMESTAMP` and Spark's `TIMESTAMP_NTZ` are. Default `instant`.
   */
  readonly timestamps?: 'instant' | 'local' | undefined
}

const rules: OptionRules<WriteParquetOptions> = { ...folderRules, compression: 'any', rowGroupRows: 'any', dictionary: 'boolean', timestamps: 'any' }

interface PageCodec {
  readonly number: number
  readonly deflate: (input: Uint8Array) => Uint8Array
}

const codecOf = async (compression: ParquetCompression): Promise<PageCodec> => {
  switch (compression) {
    case 'none':
      return { number: 0, deflate: (input) => input }
    case 'snappy':
      return { number: 1, deflate: deflateSnappy }
    case 'gzip':
      return { number: 2, deflate: (input) => zlib.gzipSync(input) }
    case 'brotli':
      // The default quality of 11 takes seconds for a megabyte.
      return { number: 4, deflate: (input) => zlib.brotliCompressSync(input, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } }) }
    case 'zstd':
      return { number: 6, deflate: await loadZstdCompressor() }
    case 'lz4':
      return { number: 7, deflate: encodeLz4Block }
  }
}

/**
 * Writes a stream as one Parquet file, or as a folder of them (`partitionBy`), which appears when it is complete. Memory holds one row
 * group, of a folder as many rows as four have.
 *
 * Columns are stored as dictionaries where that pays (see `dictionary`), else plain. Each column of a row group, and each of its pages of 16,384 rows and a
 * mebibyte at most, has its bounds and its number of nulls, by which readers skip (the page index); bounds of texts and bytes are cut to 64 bytes, and
 * columns with values that are not a number have none. Timestamps are instants in UTC (those in seconds are stored in milliseconds), decimals take 32, 64 or 128 bits by
 * their precision.
 *
 * @throws `AlreadyExists`, `Storage`, `Usage` for a compression that is not to be had, and what the stream throws
 * @see https://parquet.apache.org/docs/file-format/
 * @example
 * await run(pipe(readCsv('flights.csv', { schema }), writeParquet('flights.parquet')))
 */
export const writeParquet =
  <const K extends string = never>(url: string, options: WriteParquetOptions<K> = {}) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M> & HasColumns<S, K>): Job<WriteReport> => {
    requireOptions('writeParquet', options, rules)
    return writeFiles('writeParquet', url, options, () => parquetFormat(options), stream)
  }

const parquetFormat = async (options: WriteParquetOptions): Promise<FileFormat> => {
  const codec = await codecOf(requireOneOf('compression', options.compression ?? 'snappy', ['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4']))
  const groupRows = options.rowGroupRows ?? DEFAULT_GROUP_ROWS
  requireCount(groupRows, 1, 'rowGroupRows of writeParquet')
  const isLocal = requireOneOf('timestamps', options.timestamps ?? 'instant', ['instant', 'local']) === 'local'
  return {
    ending: '.parquet',
    groupRows,
    open: async (output, schema) => {
      const writer = new ParquetWriter(output, schema, codec, options.dictionary ?? true, isLocal)
      await writer.put(MAGIC)
      return new GroupingWriter(writer, groupRows)
    },
  }
}

/** A column of a row group that was written: what the footer and the page index are to say of it. */
interface WrittenChunk {
  readonly metadata: ThriftStruct
  readonly index: ChunkIndex
  readonly plainBytes: number
}

interface WrittenGroup {
  readonly columns: readonly { readonly metadata: ThriftStruct; readonly columnIndex: Uint8Array | undefined; readonly offsetIndex: Uint8Array }[]
  /** Fields of the row group after its columns. */
  readonly rest: ThriftStruct
}

class ParquetWriter implements GroupWriter {
  bytes = 0
  rows = 0
  private readonly groups: WrittenGroup[] = []

  constructor(
    private readonly output: Output,
    private readonly schema: Schema,
    private readonly codec: PageCodec,
    private readonly findsDictionaries: boolean,
    private readonly hasLocalTimes: boolean,
  ) {}

  async put(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length
    await this.output.write(bytes)
  }

  async write(batch: Batch): Promise<void> {
    const start = this.bytes
    const columns: WrittenGroup['columns'][number][] = []
    let plainBytes = 0
    for (const [name, field] of Object.entries(this.schema)) {
      const chunk = await this.writeColumn((batch.columns as { readonly [name: string]: Column })[name]!, name, field)
      columns.push({ metadata: chunk.metadata, columnIndex: chunk.index.columnIndex(), offsetIndex: chunk.index.offsetIndex() })
      plainBytes += chunk.plainBytes
    }
    this.rows += batch.numRows
    this.groups.push({ columns, rest: [[2, { i64: plainBytes }], [3, { i64: batch.numRows }], [5, { i64: start }], [6, { i64: this.bytes - start }]] })
  }

  private async writeColumn(plainColumn: Column, name: string, field: Field): Promise<WrittenChunk> {
    const form = leafForm(leafField(field))
    const start = this.bytes
    const column = withDictionary(plainColumn, form, this.findsDictionaries)
    const leaf = leafColumn(column)
    const dictionary = leaf instanceof DictionaryColumn ? expanded(leaf.dictionary) : undefined
    let plainBytes = 0
    if (dictionary !== undefined) plainBytes += await this.page(2, encodePlain(dictionary, form), [[7, { struct: [[1, { i32: dictionary.length }], [2, { i32: encodings.plain }]] }]])
    const dataStart = this.bytes
    const encoding = dictionary === undefined ? encodings.plain : encodings.dictionary
    const index = new ChunkIndex(storedKind(field))
    const pageRows = rowsOfPage(column)
    for (let row = 0; row < column.length; row += pageRows) {
      const { bytes, ...page } = encodePage(column.slice(row, Math.min(column.length, row + pageRows)), field, form, dictionary)
      const offset = this.bytes
      plainBytes += await this.page(0, bytes, [[5, { struct: [[1, { i32: page.count }], [2, { i32: encoding }], [3, { i32: encodings.rle }], [4, { i32: encodings.rle }]] }]])
      index.add({ ...page, offset, size: this.bytes - offset, firstRow: row })
    }
    const metadata: ThriftStruct = [
      [1, { i32: form.type }],
      [2, { list: (dictionary === undefined ? [encodings.plain, encodings.rle] : [encodings.plain, encodings.rle, encodings.dictionary]).map((i32) => ({ i32 })) }],
      [3, { list: leafPath(name, field).map((binary) => ({ binary })) }],
      [4, { i32: this.codec.number }], [5, { i64: index.count }], [6, { i64: plainBytes }], [7, { i64: this.bytes - start }], [9, { i64: dataStart }],
      [11, dictionary === undefined ? undefined : { i64: start }],
      [12, { struct: index.statistics() }],
      // By these a reader knows that all values are in the dictionary, and may look there first.
      [13, { list: [...(dictionary === undefined ? [] : [pageCount(2, encodings.plain, 1)]), pageCount(0, encoding, index.pageCount)] }],
    ]
    return { metadata, index, plainBytes }
  }

  /** Writes a page; gives its bytes before packing, the header included. */
  private async page(type: number, plain: Uint8Array, header: ThriftStruct): Promise<number> {
    const packed = this.codec.deflate(plain)
    const head = thriftStruct([[1, { i32: type }], [2, { i32: plain.length }], [3, { i32: packed.length }], ...header])
    await this.put(head)
    if (packed.length > 0) await this.put(packed)
    return head.length + plain.length
  }

  async end(): Promise<void> {
    const { schema, groups } = this
    const columnIndexes = await this.putIndexes('columnIndex')
    const offsetIndexes = await this.putIndexes('offsetIndex')
    const elements = [{ struct: [[4, { binary: 'schema' }], [5, { i32: Object.keys(schema).length }]] as ThriftStruct }, ...Object.entries(schema).flatMap(([name, field]) => schemaElements(name, field, this.hasLocalTimes))]
    const leaves = Object.keys(schema).length
    const chunks = groups.map(({ columns, rest }, group): ThriftValue => {
      const list = columns.map(({ metadata }, column): ThriftValue => ({ struct: [[2, { i64: 0 }], [3, { struct: metadata }], ...indexPlace(4, offsetIndexes[group]![column]), ...indexPlace(6, columnIndexes[group]![column])] }))
      return { struct: [[1, { list }], ...rest] }
    })
    const footer = thriftStruct([
      [1, { i32: 2 }], [2, { list: elements }], [3, { i64: this.rows }], [4, { list: chunks }], [6, { binary: 'Millrace' }],
      [7, { list: Array.from({ length: leaves }, () => ({ struct: [[1, { struct: [] }]] as ThriftStruct })) }],
    ])
    const tail = Buffer.alloc(4)
    tail.writeUInt32LE(footer.length)
    for (const part of [footer, tail, MAGIC]) await this.put(part)
  }

  /** Writes the indexes of one sort, which readers fetch together; gives their places, by row group and column. */
  private async putIndexes(sort: 'columnIndex' | 'offsetIndex'): Promise<readonly (readonly (Place | undefined)[])[]> {
    const places: (Place | undefined)[][] = []
    for (const { columns } of this.groups) {
      const ofGroup: (Place | undefined)[] = []
      for (const { [sort]: index } of columns) {
        ofGroup.push(index && { offset: this.bytes, length: index.length })
        if (index !== undefined) await this.put(index)
      }
      places.push(ofGroup)
    }
    return places
  }
}

/** Bytes of the file. */
interface Place {
  readonly offset: number
  readonly length: number
}

const indexPlace = (id: number, place: Place | undefined): ThriftStruct => (place === undefined ? [] : [[id, { i64: place.offset }], [id + 1, { i32: place.length }]])

const pageCount = (type: number, encoding: number, count: number): ThriftValue => ({ struct: [[1, { i32: type }], [2, { i32: encoding }], [3, { i32: count }]] })

/** The kind of the values that are stored. */
const storedKind = (field: Field): string => {
  const leaf = leafField(field)
  return leaf.kind === 'dictionary' ? storedKind(leaf.params.item!) : leaf.kind
}

const rowsOfPage = (column: Column): number => {
  const leaf = leafColumn(column)
  if (column.length === 0) return PAGE_ROWS
  const bytes = leaf instanceof BytesColumn ? leaf.offsets[leaf.length]! - leaf.offsets[0]! : 8 * leaf.length
  return Math.max(1, Math.min(PAGE_ROWS, Math.floor((PAGE_BYTES * column.length) / Math.max(1, bytes))))
}

/** A page before it is packed, and what the index tells of it. */
interface EncodedPage extends Pick<WrittenPage, 'count' | 'nulls' | 'bounds'> {
  readonly bytes: Uint8Array
}

const encodePage = (column: Column, field: Field, form: LeafForm, dictionary: Column | undefined): EncodedPage => {
  const { values, definition, repetition, count } = shred(column, field)
  const levels = highestLevels(field)
  const isIndexed = values instanceof DictionaryColumn && dictionary !== undefined
  const stored = isIndexed ? encodeIndices(values.indices, dictionary.length) : encodePlain(values, form)
  const bounds = boundsOf(isIndexed ? dictionary.take(used(values.indices, dictionary.length)) : values, form)
  return { bytes: joined([encodeLevels(repetition, levels.repetition), encodeLevels(definition, levels.definition), stored]), count, nulls: count - values.length, bounds }
}

/** Parts one after another; without a copy where but one has bytes. */
const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  const [only, ...more] = parts.filter(({ length }) => length > 0)
  return only !== undefined && more.length === 0 ? only : Buffer.concat(parts)
}

/** The indices that occur, each once. */
const used = (indices: Int32Array, entries: number): Int32Array => {
  const seen = new Uint8Array(entries)
  let count = 0
  for (const index of indices) {
    if (seen[index] === 0) count++
    seen[index] = 1
  }
  const out = new Int32Array(count)
  for (let entry = 0, at = 0; at < count; entry++) if (seen[entry] === 1) out[at++] = entry
  return out
}

const encodeIndices = (indices: Int32Array, entries: number): Uint8Array => {
  const width = bitWidth(Math.max(1, entries - 1))
  return Buffer.concat([Uint8Array.of(width), encodeRuns(indices, width)])
}

/** Names from a column to its leaf: the three levels of a list are its own, `list` and `element`. */
const leafPath = (name: string, field: Field): string[] => (field.kind === 'list' ? [name, 'list', ...leafPath('element', field.params.item!)] : [name])

const schemaElements = (name: string, field: Field, hasLocalTimes: boolean): { readonly struct: ThriftStruct }[] => {
  const repetition: ThriftValue = { i32: field.nullable ? 1 : 0 }
  if (field.kind === 'list') {
    return [
      { struct: [[3, repetition], [4, { binary: name }], [5, { i32: 1 }], [6, { i32: 3 }], [10, { struct: [[3, { struct: [] }]] }]] },
      { struct: [[3, { i32: 2 }], [4, { binary: 'list' }], [5, { i32: 1 }]] },
      ...schemaElements('element', field.params.item!, hasLocalTimes),
    ]
  }
  const { type, width, converted, logical, decimal } = leafForm(field, hasLocalTimes)
  return [{
    struct: [
      [1, { i32: type }], [2, width === undefined ? undefined : { i32: width }], [3, repetition], [4, { binary: name }], [6, converted === undefined ? undefined : { i32: converted }],
      [7, decimal && { i32: decimal.scale }], [8, decimal && { i32: decimal.precision }], [10, logical && { struct: logical }],
    ],
  }]
}
