import { failure, fromUnknown, isMillraceError, loadPeer, readBytes, type ErrorDetails, type FileInfo, type MillraceError } from '@millrace/core'
import { pageCodec } from './page-codecs.js'
import type { AsyncBuffer, Compressors, DataReader, FileMetaData, PageHeader } from 'hyparquet'

/** `PAR1` at either end, and the four bytes of the footer's length. */
const LEAST_FILE_BYTES = 12
const MAGIC = 'PAR1'
/** What a file begins and ends with whose footer is encrypted. */
const ENCRYPTED_MAGIC = 'PARE'
/** The footer's length and the magic, after the footer. */
const FOOTER_END_BYTES = 8
/** A footer describes each column of each row group in some hundred bytes; one beyond this is damage, not description. */
const MAX_FOOTER_BYTES = 256 * 1024 * 1024
/** Writers keep pages near 1 MiB; a size field beyond this is damage, and would be allocated before it is known to be. */
export const MAX_PAGE_BYTES = 512 * 1024 * 1024

/** Bytes that are read at once, straight into their place where the storage can. */
const READ_BYTES = 4 * 1024 * 1024

/** Rows are decoded a row group at a time, and take some ten bytes each however small they are in the file: runs take none. */
export const MAX_GROUP_ROWS = 64 * 1024 * 1024

/** An open Parquet file: its description, and a way to its bytes. */
export interface ParquetSource {
  readonly url: string
  readonly metadata: FileMetaData
  readonly file: AsyncBuffer
  readonly compressors: Compressors
  /** Reads the header of a page. */
  readonly pageHeader: (reader: DataReader) => PageHeader
  readonly signal: AbortSignal | undefined
  readonly onRead: ((bytes: number) => void) | undefined
}

/** Options of {@link openParquet}. */
export interface OpenParquetOptions {
  readonly signal?: AbortSignal | undefined
  readonly onRead?: ((bytes: number) => void) | undefined
}

/** hyparquet, where it is installed. */
export const loadHyparquet = async (): Promise<typeof import('hyparquet')> => loadPeer('hyparquet', 'reading Parquet', () => import('hyparquet'))

/** Its reader of page headers. */
const loadPageHeader = async (): Promise<(reader: DataReader) => PageHeader> => (await loadPeer('hyparquet', 'reading Parquet', () => import('hyparquet/src/column.js'))).parquetHeader

const corrupt = (url: string, problem: string, byte?: number, cause?: unknown): MillraceError =>
  failure({ tag: 'Corrupt', code: 'PARQUET_CORRUPT', problem, remedy: 'Fetch or write the file again.', position: { source: url, byte }, cause })

/** What hyparquet throws, as an error with a position: it knows of damage only by what does not add up. */
export const parquetError = (error: unknown, url: string, where: string, column?: string): MillraceError =>
  isMillraceError(error)
    ? error
    : error instanceof Error && 'code' in error && typeof error.code === 'string' && !/^(ERR|Z)_/.test(error.code)
      ? fromUnknown(error, { source: url })
      : failure({
          tag: 'Corrupt', code: 'PARQUET_CORRUPT', problem: `${where} cannot be decoded: ${(error as Error).message ?? String(error)}`,
          remedy: 'Fetch or write the file again.', position: { source: url, column }, cause: error,
        })

/**
 * Opens a Parquet file: checks both ends, reads the footer, loads the decompressors that it needs.
 *
 * @throws `Corrupt` for a file that is no Parquet file, saying what was found in it
 */
export const openParquet = async (info: FileInfo, options: OpenParquetOptions = {}): Promise<ParquetSource> => {
  const { parquetMetadataAsync } = await loadHyparquet()
  const { url } = info
  const { size } = info
  if (size === undefined) {
    throw failure({ tag: 'Storage', code: 'UNKNOWN_SIZE', problem: 'the storage does not say how large the file is, and Parquet is read from its end', position: { source: url } })
  }
  const file = bufferOf(url, size, options)
  const footer = await checkEnds(url, size, file)
  let metadata: FileMetaData
  try {
    metadata = await parquetMetadataAsync(file, { initialFetchSize: footer + FOOTER_END_BYTES, geoparquet: false, parsers: rawParsers })
  } catch (error) {
    throw parquetError(error, url, 'the footer')
  }
  try {
    checkFooter(url, size, metadata)
  } catch (error) {
    throw parquetError(error, url, 'the footer')
  }
  return { url, metadata, file, compressors: await compressorsFor(metadata), pageHeader: await loadPageHeader(), signal: options.signal, onRead: options.onRead }
}

const bufferOf = (url: string, size: number, { signal, onRead }: OpenParquetOptions): AsyncBuffer => ({
  byteLength: size,
  slice: async (start, end = size) => {
    if (!(start >= 0 && end >= start && end <= size)) throw corrupt(url, `the footer points to bytes ${start} to ${end} of a file of ${size}`)
    const out = new Uint8Array(end - start)
    await readInto(url, start, out, { signal, onRead })
    return out.buffer
  },
})

/** Fills `out` with the bytes of a file from `start` on. @throws `Corrupt` when the file has less */
export const readInto = async (url: string, start: number, out: Uint8Array, { signal, onRead }: OpenParquetOptions): Promise<void> => {
  let at = 0
  if (out.length > 0) {
    for await (const chunk of readBytes(url, { start, end: start + out.length, signal, reuse: true, into: out, chunkBytes: READ_BYTES })) {
      if (at + chunk.length > out.length) break
      if (chunk.buffer !== out.buffer) out.set(chunk, at)
      at += chunk.length
    }
  }
  if (at < out.length) throw corrupt(url, `the file ended while bytes ${start} to ${start + out.length} were read`, start + at)
  onRead?.(out.length)
}

/** The error for what is encrypted. */
export const encrypted = (problem: string, position: ErrorDetails['position']): MillraceError =>
  failure({ tag: 'Corrupt', code: 'PARQUET_ENCRYPTED', problem: `${problem}, which is not supported`, remedy: 'Write it again without encryption, with a program that has its keys.', position })

const shown = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes).toString('latin1')
  return /^[\x20-\x7e]*$/.test(text) ? JSON.stringify(text) : `bytes ${Buffer.from(bytes).toString('hex')}`
}

/** Gives the length of the footer. */
const checkEnds = async (url: string, size: number, file: AsyncBuffer): Promise<number> => {
  const notParquet = (found: string, byte?: number): MillraceError =>
    failure({ tag: 'Corrupt', code: 'NOT_PARQUET', problem: `this is not a Parquet file: ${found}`, remedy: 'Check the path; if it is one, it was cut short: fetch or write it again.', position: { source: url, byte } })
  if (size < LEAST_FILE_BYTES) throw notParquet(`it has ${size} bytes, and the smallest has ${LEAST_FILE_BYTES}`)
  const head = new Uint8Array(await file.slice(0, 4))
  if (Buffer.from(head).toString('latin1') === ENCRYPTED_MAGIC) throw encrypted('the file is encrypted', { source: url })
  if (Buffer.from(head).toString('latin1') !== MAGIC) throw notParquet(`it begins with ${shown(head)}, not "${MAGIC}"`, 0)
  const tail = new Uint8Array(await file.slice(size - 8, size))
  const end = tail.subarray(4)
  if (Buffer.from(end).toString('latin1') === ENCRYPTED_MAGIC) throw encrypted('the file is encrypted', { source: url })
  if (Buffer.from(end).toString('latin1') !== MAGIC) throw notParquet(`it ends with ${shown(end)}, not "${MAGIC}"`, size - 4)
  const footer = new DataView(tail.buffer, tail.byteOffset).getUint32(0, true)
  if (footer > size - LEAST_FILE_BYTES || footer > MAX_FOOTER_BYTES) throw corrupt(url, `the footer says that it has ${footer} bytes, in a file of ${size}`, size - 8)
  return footer
}

/** Bytes stand for a list where damage says so. */
const areLists = (values: readonly unknown[]): boolean => values.every((value) => Array.isArray(value))

const checkFooter = (url: string, size: number, metadata: FileMetaData): void => {
  if (!areLists([metadata.schema, metadata.row_groups, ...metadata.row_groups.map(({ columns }) => columns)])) throw corrupt(url, 'the footer has bytes where lists of columns or row groups are due')
  let rows = 0
  for (const [index, group] of metadata.row_groups.entries()) {
    rows += Number(group.num_rows)
    // A file without rows has a group without rows, whose columns point nowhere.
    if (Number(group.num_rows) === 0) continue
    if (!(Number(group.num_rows) > 0 && Number(group.num_rows) <= MAX_GROUP_ROWS)) {
      throw failure({
        tag: 'Limit', code: 'PARQUET_GROUP_TOO_LARGE', problem: `row group ${index} says that it has ${group.num_rows} rows, and at most ${MAX_GROUP_ROWS} are read at once`,
        remedy: 'Write the file with smaller row groups.', position: { source: url },
      })
    }
    for (const { meta_data: column, file_path: elsewhere, encrypted_column_metadata: hidden } of group.columns) {
      // Of a column with a key of its own nothing is told, not even its name, unless it is read.
      if (column === undefined && hidden !== undefined) continue
      if (column === undefined || elsewhere !== undefined) throw corrupt(url, `row group ${index} keeps a column outside the file`)
      if (!areLists([column.path_in_schema])) throw corrupt(url, `a column of row group ${index} has bytes where names are due`)
      const start = Number(column.dictionary_page_offset || column.data_page_offset)
      if (!(Number(column.total_compressed_size) >= 0 && start >= 4 && start + Number(column.total_compressed_size) <= size)) {
        throw corrupt(url, `column ${column.path_in_schema.join('.')} of row group ${index} would reach beyond the file`, start)
      }
    }
  }
  // Some writers leave it at 0.
  if (rows !== Number(metadata.num_rows) && Number(metadata.num_rows) !== 0) throw corrupt(url, `the row groups have ${rows} rows, and the file says ${metadata.num_rows}`)
}

/** Values as they are stored: units, bytes and days are ours to turn into columns. */
export const rawParsers = {
  timestampFromMilliseconds: (value: bigint): unknown => value,
  timestampFromMicroseconds: (value: bigint): unknown => value,
  timestampFromNanoseconds: (value: bigint): unknown => value,
  dateFromDays: (value: number): unknown => value,
  stringFromBytes: (value: Uint8Array): unknown => value,
  jsonFromBytes: (value: Uint8Array): unknown => value,
  uuidFromBytes: (value: Uint8Array): unknown => value,
}

const compressorsFor = async (metadata: FileMetaData): Promise<Compressors> => {
  const codecs = new Set(metadata.row_groups.flatMap((group) => group.columns.flatMap(({ meta_data: column }) => column?.codec ?? [])))
  codecs.delete('UNCOMPRESSED')
  return Object.fromEntries(await Promise.all([...codecs].map(async (codec) => {
    const inflate = await pageCodec(codec)
    return [codec, inflate && checkedSize(inflate)] as const
  })))
}

const checkedSize =
  (inflate: (input: Uint8Array, length: number) => Uint8Array) =>
  (input: Uint8Array, length: number): Uint8Array => {
    if (!(length >= 0 && length <= MAX_PAGE_BYTES)) throw new Error(`a page says that it inflates to ${length} bytes, and at most ${MAX_PAGE_BYTES} are read`)
    const bytes = inflate(input, length)
    if (bytes.length !== length) throw new Error(`a page inflates to ${bytes.length} bytes where ${length} are due`)
    return bytes
  }
