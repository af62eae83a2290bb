import { throwIfAborted, type ConversionError, type Field } from '@millrace/core'
import type { ColumnChunk } from 'hyparquet'
import type { ConvertedColumn, ValueType } from '../values/index.js'
import { inPortions, withRanges, type FetchedBytes, type FileRange } from './fetch-ranges.js'
import type { LeafPath } from './leaf-path.js'
import { readPageIndexes, type IndexedPage } from './page-index.js'
import { convertColumn } from './parquet-column.js'
import { parquetError, type ParquetSource } from './parquet-source.js'
import { chunkRange, decodeLeaf, rangesOf, type LeafRequest } from './read-leaf.js'
import type { RowFilter, RowRange } from './where.js'

/** A column of the file, and the field that it is to become. */
export interface WantedColumn {
  readonly name: string
  readonly target: Field
  readonly type: ValueType
  readonly path: LeafPath | undefined
}

/** A row group, and what is wanted of it. */
export interface GroupRequest {
  readonly rowGroup: number
  readonly rows: number
  readonly columns: readonly WantedColumn[]
}

/** Rows of a row group, as columns. */
export interface RowSpan extends RowRange {
  readonly converted: { readonly [name: string]: ConvertedColumn }
}

/** The column of a row group that a leaf is in. @throws `Corrupt` where the row group has none */
export const chunkOf = ({ metadata, url }: ParquetSource, rowGroup: number, { path }: LeafPath): ColumnChunk => {
  const found = metadata.row_groups[rowGroup]!.columns.find(({ meta_data: column }) => column !== undefined && column.path_in_schema.length === path.length && column.path_in_schema.every((name, i) => name === path[i]))
  if (found === undefined) throw parquetError(new Error('the column is not in it'), url, `row group ${rowGroup}`, path.join('.'))
  return found
}

/** A column on its way: what is read of it, and which pages those are, where they are not all. */
interface PlannedColumn extends WantedColumn {
  readonly request: LeafRequest
  readonly pages: readonly IndexedPage[] | undefined
}

/**
 * Reads a row group: all of its rows, or those of pages that can have some that the filter wants.
 *
 * @throws `Corrupt` for columns that cannot be decoded, and for an index that does not tell of its pages what they are
 */
export const readRowGroup = async (source: ParquetSource, group: GroupRequest, filter: RowFilter): Promise<readonly RowSpan[]> => {
  const { rowGroup, rows, columns } = group
  const indexes = await indexesFor(source, group, filter)
  const types = new Map(columns.map(({ name, type }) => [name, type]))
  const spans = filter.rowsThatMay(indexes, (name) => types.get(name)!, rows)
  const planned = spans.length === 0 ? [] : columns.map((column) => plan(source, group, column, spans, indexes.get(column.name)))
  const converted = new Map<string, ConvertedColumn>()
  for (const portion of inPortions(planned, ({ request }) => rangesOf(request))) {
    throwIfAborted(source.signal)
    await withRanges(source, portion.flatMap(({ request }) => rangesOf(request)), (fetched) => {
      for (const column of portion) converted.set(column.name, decodeColumn(source, rowGroup, column, fetched))
    })
  }
  return spans.map((span) => ({ ...span, converted: Object.fromEntries(planned.map(({ name, pages }) => [name, rowsOf(converted.get(name)!, span, pages)])) }))
}

/** Indexes are of use only where there is something to leave out. */
const indexesFor = async (source: ParquetSource, { rowGroup, rows, columns }: GroupRequest, filter: RowFilter): Promise<ReadonlyMap<string, readonly IndexedPage[]>> => {
  const isIndexed = ({ column_index_offset: bounds }: ColumnChunk): boolean => bounds !== undefined
  const requests = new Map(columns.flatMap(({ name, path, type }) => (path === undefined ? [] : [[name, { chunk: chunkOf(source, rowGroup, path), path, type, rows }] as const])))
  const bounded = filter.columns.filter((name) => requests.has(name) && isIndexed(requests.get(name)!.chunk))
  return bounded.length === 0 ? new Map() : readPageIndexes(source, requests, bounded)
}

const plan = (source: ParquetSource, { rowGroup, rows }: GroupRequest, wanted: WantedColumn, spans: readonly RowRange[], index: readonly IndexedPage[] | undefined): PlannedColumn => {
  const { name, path, target } = wanted
  if (path === undefined) throw parquetError(new Error('the column has more than one leaf'), source.url, `row group ${rowGroup}`, name)
  const column = chunkOf(source, rowGroup, path).meta_data!
  const request = { column, path, rowGroup, rows, keepDictionary: target.kind === 'dictionary' }
  const pages = index?.filter(({ firstRow, endRow }) => spans.some(({ start, end }) => firstRow < end && endRow > start))
  if (index === undefined || pages === undefined || pages.length === index.length) return { ...wanted, request, pages: undefined }
  const { start } = chunkRange(column)
  const dictionary: readonly FileRange[] = start < index[0]!.start ? [{ start, end: index[0]!.start }] : []
  return { ...wanted, pages, request: { ...request, rows: pages.reduce((sum, { firstRow, endRow }) => sum + endRow - firstRow, 0), ranges: [...dictionary, ...pages] } }
}

const decodeColumn = (source: ParquetSource, rowGroup: number, { name, target, type, path, request }: PlannedColumn, fetched: FetchedBytes): ConvertedColumn => {
  try {
    const converted = convertColumn(target, type, path!, decodeLeaf(source, request, fetched))
    if (converted.column.length !== request.rows) throw new Error(`the column has ${converted.column.length} values where ${request.rows} are due`)
    return converted
  } catch (error) {
    throw parquetError(error, source.url, `row group ${rowGroup}`, name)
  }
}

/** The rows of a span of a column that was read in whole, or in `pages`. */
const rowsOf = (converted: ConvertedColumn, { start, end }: RowRange, pages: readonly IndexedPage[] | undefined): ConvertedColumn => {
  let from = start
  if (pages !== undefined) {
    from = 0
    for (const { firstRow, endRow } of pages) {
      if (endRow > start) {
        from += start - firstRow
        break
      }
      from += endRow - firstRow
    }
  }
  const { column, faults } = converted
  if (from === 0 && end - start === column.length) return converted
  const shifted = new Map<number, ConversionError>()
  for (const [row, error] of faults) if (row >= from && row < from + end - start) shifted.set(row - from, error)
  return { column: column.slice(from, from + end - start), faults: shifted }
}
