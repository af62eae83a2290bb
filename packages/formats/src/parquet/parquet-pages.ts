import { failure, loadPeer, type MillraceError } from '@millrace/core'
import type { AsyncBuffer, ColumnMetaData, Compressors, PageHeader, SchemaTree } from 'hyparquet'
import { MAX_PAGE_BYTES, MAX_GROUP_ROWS, type ParquetSource } from './parquet-source.js'

/** The bytes of one column in memory, and its pages inflated already. */
export interface CheckedColumn {
  readonly file: AsyncBuffer
  readonly compressors: Compressors
}

/** Highest repetition and definition level of a leaf. */
interface Levels {
  readonly repetition: number
  readonly definition: number
}

const levelsOf = (root: SchemaTree, path: readonly string[]): Levels => {
  let [repetition, definition] = [0, 0]
  let node: SchemaTree | undefined = root
  for (const name of path) {
    node = node?.children.find(({ element }) => element.name === name)
    if (node === undefined) throw new Error(`the schema has no column ${path.join('.')}`)
    if (node.element.repetition_type === 'REPEATED') repetition++
    if (node.element.repetition_type !== 'REQUIRED') definition++
  }
  return { repetition, definition }
}

const bitWidth = (most: number): number => 32 - Math.clz32(most)

/**
 * Walks over run-length encoded or bit-packed runs without expanding them, as hyparquet will: to `count` values, or to the end.
 *
 * @returns the values there are, `count` at most
 * @see https://parquet.apache.org/docs/file-format/data-pages/encodings/ (RLE)
 * @throws for a run beyond `count`, which hyparquet would expand
 */
const walkRuns = (bytes: Uint8Array, start: number, end: number, width: number, count: number): number => {
  let seen = 0
  for (let at = start; at < end && seen < count; ) {
    let header = 0
    for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
      if (at >= end || shift > 28) throw new Error('the runs of a page do not end with it')
      byte = bytes[at++]!
      header |= (byte & 0x7f) << shift
    }
    const packed = (header & 1) === 1
    const values = packed ? (header >>> 1) * 8 : header >>> 1
    // Writers fill bit-packed runs up, to 8 values or to a block of 512.
    if (values > count - seen + (packed ? 512 : 0)) throw new Error(`a run has ${values} values where a page has ${count - seen} left`)
    at += packed ? (header >>> 1) * width : (width + 7) >> 3
    seen += values
  }
  return Math.min(seen, count)
}

const checkLevelRuns = (bytes: Uint8Array, start: number, end: number, most: number, count: number): void => {
  const seen = walkRuns(bytes, start, end, bitWidth(most), count)
  if (seen < count) throw new Error(`a page has ${seen} levels for ${count} values`)
}

const hasIndices = (encoding: string): boolean => encoding === 'RLE_DICTIONARY' || encoding === 'PLAIN_DICTIONARY'

const checkIndices = (page: Uint8Array, at: number, encoding: string, count: number): void => {
  if (hasIndices(encoding) && at < page.length) walkRuns(page, at + 1, page.length, page[at]!, count)
  else if (encoding === 'RLE') walkRuns(page, at + 4, page.length, 1, count)
}

/** Levels of version 1 stand in the page, each with its length before it; gives the offset after them. */
const checkLevels = (page: Uint8Array, { repetition, definition }: Levels, count: number): number => {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength)
  let at = 0
  for (const most of [repetition, definition]) {
    if (most === 0) continue
    const length = view.getUint32(at, true)
    if (at + 4 + length > page.length) throw new Error('the levels of a page reach beyond it')
    checkLevelRuns(page, at + 4, at + 4 + length, most, count)
    at += 4 + length
  }
  return at
}

/**
 * Reads the bytes of a column (of each leaf below it) in one row group, inflates its pages, and checks what they say of
 * themselves: hyparquet takes counts and runs at their word, and a damaged file would have it fill all memory.
 *
 * @throws `Corrupt` for sizes that do not add up; other errors for pages that cannot be inflated
 */
export const checkedColumn = async (source: ParquetSource, schema: SchemaTree, name: string, rowGroup: number): Promise<CheckedColumn> => {
  const { parquetHeader } = await loadPeer('hyparquet', 'reading Parquet', () => import('hyparquet/src/column.js'))
  const group = source.metadata.row_groups[rowGroup]!
  const held: { readonly start: number; readonly bytes: ArrayBuffer }[] = []
  const inflated = new Map<ArrayBufferLike, Map<number, Uint8Array>>()
  for (const { meta_data: column } of group.columns) {
    if (column === undefined || column.path_in_schema[0] !== name) continue
    const start = Number(column.dictionary_page_offset || column.data_page_offset)
    const bytes = await source.file.slice(start, start + Number(column.total_compressed_size))
    const pages = new Map<number, Uint8Array>()
    inflated.set(bytes, pages)
    held.push({ start, bytes })
    const levels = levelsOf(schema, column.path_in_schema)
    const damaged = (problem: string, offset: number): MillraceError =>
      failure({
        tag: 'Corrupt', code: 'PARQUET_CORRUPT', problem: `${problem} in row group ${rowGroup}`, remedy: 'Fetch or write the file again.',
        position: { source: source.url, byte: start + offset, column: name },
      })
    const reader = { view: new DataView(bytes), offset: 0 }
    let values = 0
    let dictionary = false
    while (reader.offset < bytes.byteLength) {
      const at = reader.offset
      const header = parquetHeader(reader)
      const size = header.compressed_page_size
      if (!(size >= 0 && reader.offset + size <= bytes.byteLength)) throw damaged(`a page says that it has ${size} bytes, which reach beyond its column`, at)
      if (!(header.uncompressed_page_size >= 0 && header.uncompressed_page_size <= MAX_PAGE_BYTES)) {
        throw damaged(`a page says that it inflates to ${header.uncompressed_page_size} bytes, and at most ${MAX_PAGE_BYTES} are read`, at)
      }
      const count = (header.data_page_header ?? header.data_page_header_v2 ?? header.dictionary_page_header)?.num_values
      if (count === undefined || !(count >= 0 && count <= MAX_GROUP_ROWS)) throw damaged(`a page says that it has ${count} values`, at)
      if (header.dictionary_page_header === undefined) values += count
      else if (dictionary) throw damaged('a column has two dictionaries', at)
      else if (count > header.uncompressed_page_size * 8) throw damaged(`a dictionary says that it has ${count} values in ${header.uncompressed_page_size} bytes`, at)
      dictionary ||= header.dictionary_page_header !== undefined
      if (!dictionary && hasIndices((header.data_page_header ?? header.data_page_header_v2)?.encoding ?? '')) throw damaged('a page refers to a dictionary, and there is none', at)
      checkPage(new Uint8Array(bytes, reader.offset, size), header, column, levels, source.compressors, pages)
      reader.offset += size
    }
    const due = levels.repetition === 0 ? Number(group.num_rows) : Number(column.num_values)
    if (values !== due) throw damaged(`the pages of a column have ${values} values where ${due} are due`, 0)
  }
  return {
    file: {
      byteLength: source.file.byteLength,
      slice: (start, end = source.file.byteLength) => {
        const found = held.find((range) => range.start <= start && end <= range.start + range.bytes.byteLength)
        if (found === undefined) return source.file.slice(start, end)
        return end - start === found.bytes.byteLength ? found.bytes : found.bytes.slice(start - found.start, end - found.start)
      },
    },
    compressors: Object.fromEntries(
      Object.entries(source.compressors).map(([codec, inflate]) => [codec, (input: Uint8Array, length: number) => inflated.get(input.buffer)?.get(input.byteOffset) ?? inflate(input, length)]),
    ),
  }
}

/** Inflates a page into `pages`, by the offset of its bytes, and checks its runs. */
const checkPage = (bytes: Uint8Array, header: PageHeader, column: ColumnMetaData, levels: Levels, compressors: Compressors, pages: Map<number, Uint8Array>): void => {
  const inflate = compressors[column.codec]
  const page = (packed: Uint8Array, length: number): Uint8Array => {
    if (column.codec === 'UNCOMPRESSED' || inflate === undefined) return packed
    const plain = inflate(packed, length)
    pages.set(packed.byteOffset, plain)
    return plain
  }
  const { data_page_header: first, data_page_header_v2: second } = header
  if (first !== undefined) {
    const plain = page(bytes, header.uncompressed_page_size)
    checkIndices(plain, checkLevels(plain, levels, first.num_values), first.encoding, first.num_values)
  } else if (second !== undefined) {
    const { repetition_levels_byte_length: repetition, definition_levels_byte_length: definition, num_values: count } = second
    const total = repetition + definition
    if (!(repetition >= 0 && definition >= 0 && total <= bytes.length && second.num_nulls >= 0 && second.num_nulls <= count)) throw new Error('the levels of a page reach beyond it')
    if (levels.repetition > 0) checkLevelRuns(bytes, 0, repetition, levels.repetition, count)
    if (levels.definition > 0) checkLevelRuns(bytes, repetition, total, levels.definition, count)
    const rest = bytes.subarray(total)
    checkIndices(second.is_compressed === false ? rest : page(rest, header.uncompressed_page_size - total), 0, second.encoding, count)
  }
}
