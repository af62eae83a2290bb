import { requireCount, requireOneOf, requireOptions, type Batch, type Column, type Job, type Mode, type OptionRules, type Output, type Schema, type Stream } from '@millrace/core'
import { encodeLz4Frame } from '../codecs/lz4.js'
import { loadZstdCompressor } from '../codecs/zstd.js'
import type { WriteReport } from '../tfrecord/write-tfrecords.js'
import { GroupingWriter, type FileFormat, type GroupWriter } from '../writing/file-writer.js'
import { folderRules, type FolderOptions, type HasColumns } from '../writing/folder-options.js'
import { writeFiles } from '../writing/write-files.js'
import { encodeBatch, GrowingDictionaries, type BodyCodec, type EncodedBatch } from './encode-batch.js'
import { footerTable, headers, messageTable, schemaTable } from './encode-schema.js'
import { flatBuffer, type FlatFields } from './flat-writer.js'

/** Readers take a record batch at once: these many rows of some columns are megabytes. */
const DEFAULT_ROWS_PER_BATCH = 65536

/** Options of {@link writeArrow}. */
export interface WriteArrowOptions<K extends string = string> extends FolderOptions<K> {
  /** `file` (Feather version 2) has a footer and can be entered anywhere, `stream` can be read while it is written. Default `file`. */
  readonly format?: 'file' | 'stream' | undefined
  /** How bodies are packed; `zstd` takes Node 22.15 or the package `@bokuweb/zstd-wasm`. Default `none`. */
  readonly compression?: 'none' | 'lz4' | 'zstd' | undefined
  /** Most rows of a record batch: smaller batches of the stream are put together, larger ones are cut. Batches of wide rows end at 128 MiB of values. Default 65,536. */
  readonly rowsPerBatch?: number | undefined
}

const rules: OptionRules<WriteArrowOptions> = { ...folderRules, format: 'any', compression: 'any', rowsPerBatch: 'any' }

/**
 * Writes a stream as one Arrow IPC file or stream, or as a folder of them (`partitionBy`), which appears when it is complete. Memory holds one record batch, and each entry of
 * the dictionaries: batches that bring entries of their own add them as deltas. Lists of one size are written as fixed-size lists,
 * timestamps with the zone UTC, decimals with 128 bits.
 *
 * @throws `AlreadyExists`, `Storage`, `Usage` for a compression that is not to be had, and what the stream throws
 * @see https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
 * @example
 * await run(pipe(readCsv('flights.csv', { schema }), writeArrow('flights.arrow', { compression: 'lz4' })))
 */
export const writeArrow =
  <const K extends string = never>(url: string, options: WriteArrowOptions<K> = {}) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M> & HasColumns<S, K>): Job<WriteReport> => {
    requireOptions('writeArrow', options, rules)
    return writeFiles('writeArrow', url, options, () => arrowFormat(options), stream)
  }

const arrowFormat = async (options: WriteArrowOptions): Promise<FileFormat> => {
  const format = requireOneOf('format', options.format ?? 'file', ['file', 'stream'])
  const codec = await codecOf(requireOneOf('compression', options.compression ?? 'none', ['none', 'lz4', 'zstd']))
  const groupRows = options.rowsPerBatch ?? DEFAULT_ROWS_PER_BATCH
  requireCount(groupRows, 1, 'rowsPerBatch of writeArrow')
  return {
    ending: format === 'file' ? '.arrow' : '.arrows',
    groupRows,
    open: async (output, schema) => {
      const writer = new ArrowWriter(output, schema, format, codec)
      await writer.begin()
      return new GroupingWriter(writer, groupRows)
    },
  }
}

const codecOf = async (compression: 'none' | 'lz4' | 'zstd'): Promise<BodyCodec | undefined> =>
  compression === 'none' ? undefined : compression === 'lz4' ? { number: 0, deflate: encodeLz4Frame } : { number: 1, deflate: await loadZstdCompressor() }

class ArrowWriter implements GroupWriter {
  bytes = 0
  private readonly dictionaries = new GrowingDictionaries()
  /** Offset, length of the metadata and length of the body of each message. */
  private readonly blocks: { readonly dictionaries: number[]; readonly batches: number[] } = { dictionaries: [], batches: [] }

  constructor(
    private readonly output: Output,
    private readonly schema: Schema,
    private readonly format: 'file' | 'stream',
    private readonly codec: BodyCodec | undefined,
  ) {}

  async begin(): Promise<void> {
    if (this.format === 'file') await this.put(Buffer.from('ARROW1\0\0'))
    await this.message(headers.schema, schemaTable(this.schema), [], 0)
  }

  async write(batch: Batch): Promise<void> {
    const columns = Object.keys(this.schema).map((name) => (batch.columns as { readonly [name: string]: Column })[name]!)
    const encoded = encodeBatch(columns, batch.numRows, this.codec, this.dictionaries)
    for (const { id, isDelta, entries } of this.dictionaries.take()) {
      const data = encodeBatch([entries], entries.length, this.codec, this.dictionaries)
      this.blocks.dictionaries.push(this.bytes, ...(await this.encoded(headers.dictionary, data, (table) => [{ long: id }, { table }, { byte: isDelta ? 1 : 0 }])))
    }
    this.blocks.batches.push(this.bytes, ...(await this.encoded(headers.batch, encoded, (table) => table)))
  }

  private async encoded(header: number, { table, parts, bodyLength }: EncodedBatch, wrap: (table: FlatFields) => FlatFields): Promise<readonly [number, number]> {
    return [await this.message(header, wrap(table), parts, bodyLength), bodyLength]
  }

  /** Gives the bytes before the body. */
  private async message(header: number, table: FlatFields, parts: readonly Uint8Array[], bodyLength: number): Promise<number> {
    const metadata = flatBuffer(messageTable(header, table, bodyLength))
    const prefix = Buffer.alloc(8)
    prefix.writeUInt32LE(0xffffffff, 0)
    prefix.writeUInt32LE(metadata.length, 4)
    for (const part of [prefix, metadata, ...parts]) await this.put(part)
    return 8 + metadata.length
  }

  async end(): Promise<void> {
    await this.put(Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0))
    if (this.format === 'stream') return
    const footer = flatBuffer(footerTable(this.schema, this.blocks.dictionaries, this.blocks.batches))
    const tail = Buffer.alloc(10)
    tail.writeUInt32LE(footer.length, 0)
    tail.write('ARROW1', 4, 'latin1')
    await this.put(footer)
    await this.put(tail)
  }

  private async put(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return
    this.bytes += bytes.length
    await this.output.write(bytes)
  }
}
