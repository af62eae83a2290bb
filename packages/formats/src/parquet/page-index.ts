import type { ColumnChunk, Statistics } from 'hyparquet'
import type { ValueType } from '../values/index.js'
import { withRanges, type FileRange } from './fetch-ranges.js'
import { loadHyparquet, rawParsers, type ParquetSource } from './parquet-source.js'
import { chunkRange } from './read-leaf.js'
import type { LeafPath } from './leaf-path.js'
import { boundOf, hasSoundBounds } from './where.js'

/** An index describes a page in some ten bytes; one beyond this is damage. */
const MAX_INDEX_BYTES = 16 * 1024 * 1024

/** A page of a column by its index: rows of the row group, and where it is in the file. */
export interface IndexedPage extends FileRange {
  readonly firstRow: number
  readonly endRow: number
  /** What is told of its values, where anything is. */
  readonly statistics: Statistics | undefined
}

/** A column of a row group whose pages are asked for. */
export interface IndexRequest {
  readonly chunk: ColumnChunk
  readonly path: LeafPath
  readonly type: ValueType
  readonly rows: number
}

const rangeOf = (offset: bigint | undefined, length: number | undefined, size: number): FileRange | undefined => {
  if (offset === undefined || length === undefined) return undefined
  const start = Number(offset)
  return start >= 4 && length > 0 && length <= MAX_INDEX_BYTES && start + length <= size ? { start, end: start + length } : undefined
}

/**
 * The pages of columns of a row group, where their indexes tell them: the places of each column's, and the bounds of those in `bounded`.
 * Indexes that do not add up, by themselves and with what the footer says, are left alone, as if there were none.
 *
 * @see https://parquet.apache.org/docs/file-format/pageindex/
 */
export const readPageIndexes = async (source: ParquetSource, requests: ReadonlyMap<string, IndexRequest>, bounded: readonly string[]): Promise<ReadonlyMap<string, readonly IndexedPage[]>> => {
  const { readOffsetIndex, readColumnIndex } = await loadHyparquet()
  const size = source.file.byteLength
  const places = [...requests].flatMap(([name, request]) => {
    const { chunk } = request
    const offsets = rangeOf(chunk.offset_index_offset, chunk.offset_index_length, size)
    return offsets === undefined ? [] : [{ name, request, offsets, bounds: bounded.includes(name) ? rangeOf(chunk.column_index_offset, chunk.column_index_length, size) : undefined }]
  })
  if (places.length === 0) return new Map()
  return withRanges(source, places.flatMap(({ offsets, bounds }) => (bounds === undefined ? [offsets] : [offsets, bounds])), (fetched) => {
    const reader = (range: FileRange): { view: DataView; offset: number } => {
      // Bounds are views of what they are read from.
      const bytes = fetched(range).slice()
      return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 }
    }
    const out = new Map<string, readonly IndexedPage[]>()
    for (const { name, request, offsets, bounds } of places) {
      const pages = attempt(() => pagesAt(readOffsetIndex(reader(offsets)).page_locations, request))
      if (pages === undefined) continue
      const told = bounds === undefined ? undefined : attempt(() => statisticsOf(readColumnIndex(reader(bounds), request.path.element, rawParsers), pages, request))
      out.set(name, told === undefined ? pages : pages.map((page, i) => ({ ...page, statistics: told[i] })))
    }
    return out
  })
}

/** What damage makes of an index throws anything. */
const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

interface Location {
  readonly offset: bigint
  readonly compressed_page_size: number
  readonly first_row_index: bigint
}

/** Pages that stand one after another from the first to the end of the column, and have all its rows; `undefined` for others. */
const pagesAt = (locations: readonly Location[], { chunk, rows }: IndexRequest): readonly IndexedPage[] | undefined => {
  const column = chunk.meta_data!
  const pages: IndexedPage[] = []
  let at = Number(column.data_page_offset)
  let row = 0
  for (const [i, { offset, compressed_page_size: size, first_row_index: first }] of locations.entries()) {
    const endRow = i + 1 < locations.length ? Number(locations[i + 1]!.first_row_index) : rows
    if (Number(offset) !== at || !(size > 0) || Number(first) !== row || !(endRow > row && endRow <= rows)) return undefined
    pages.push({ start: at, end: at + size, firstRow: row, endRow, statistics: undefined })
    at += size
    row = endRow
  }
  return row === rows && at === chunkRange(column).end ? pages : undefined
}

interface ColumnIndex {
  readonly null_pages: readonly boolean[]
  readonly min_values: readonly unknown[]
  readonly max_values: readonly unknown[]
  readonly boundary_order: string
  readonly null_counts?: readonly bigint[] | undefined
}

/** What an index tells of each page; `undefined` where it contradicts itself, or what the footer tells of the column. */
const statisticsOf = (index: ColumnIndex, pages: readonly IndexedPage[], request: IndexRequest): readonly Statistics[] | undefined => {
  if (!hasSoundBounds(request.type, request.path.element)) return undefined
  const { null_pages: empty, min_values: least, max_values: most, null_counts: nulls } = index
  if ([empty, least, most, ...(nulls === undefined ? [] : [nulls])].some(({ length }) => length !== pages.length)) return undefined
  const told = pages.map(({ firstRow, endRow }, i): Statistics => {
    const count = nulls?.[i]
    return empty[i] === true
      ? { null_count: BigInt(endRow - firstRow) }
      : { min_value: least[i], max_value: most[i], ...(count === undefined ? {} : { null_count: count }) } as Statistics
  })
  return areSoundNulls(empty, nulls, pages, request) && areSoundBounds(told, index, request) ? told : undefined
}

const areSoundNulls = (empty: readonly boolean[], nulls: readonly bigint[] | undefined, pages: readonly IndexedPage[], { chunk }: IndexRequest): boolean => {
  const due = chunk.meta_data!.statistics?.null_count
  let sum = 0
  for (const [i, { firstRow, endRow }] of pages.entries()) {
    const rows = endRow - firstRow
    const count = nulls === undefined ? (empty[i] === true ? rows : 0) : Number(nulls[i])
    if (!(count >= 0 && count <= rows) || (count === rows) !== (empty[i] === true)) return false
    sum += count
  }
  return due === undefined || (nulls === undefined ? sum <= Number(due) : sum === Number(due))
}

/** Bounds in the order that the index says, none beyond those of the column. Numbers have to reach them: texts may be cut. */
const areSoundBounds = (told: readonly Statistics[], { boundary_order: order }: ColumnIndex, { chunk, type }: IndexRequest): boolean => {
  const pages = told.flatMap(({ min_value: least, max_value: most }) => (least === undefined ? [] : [{ least: boundOf(type, least, true), most: boundOf(type, most, false) }]))
  const isAfter = (a: unknown, b: unknown): boolean => (Buffer.isBuffer(a) && Buffer.isBuffer(b) ? Buffer.compare(a, b) > 0 : (a as number) > (b as number))
  const sign = order === 'ASCENDING' ? 1 : order === 'DESCENDING' ? -1 : 0
  for (const [i, { least, most }] of pages.entries()) {
    if (least === undefined || most === undefined || isAfter(least, most)) return false
    const last = pages[i - 1]
    if (last === undefined || sign === 0) continue
    const [from, to] = sign === 1 ? [last, { least, most }] : [{ least, most }, last]
    if (isAfter(from.least, to.least) || isAfter(from.most, to.most)) return false
  }
  const { statistics } = chunk.meta_data!
  const [least, most] = [boundOf(type, statistics?.min_value, true), boundOf(type, statistics?.max_value, false)]
  if (pages.length === 0 || least === undefined || most === undefined || Buffer.isBuffer(least)) return true
  const first = pages.reduce((a, { least: b }) => (isAfter(a, b) ? b! : a), pages[0]!.least!)
  const last = pages.reduce((a, { most: b }) => (isAfter(b, a) ? b! : a), pages[0]!.most!)
  return !isAfter(first, least) && !isAfter(least, first) && !isAfter(last, most) && !isAfter(most, last)
}
