import { throwIfAborted, type Field } from '@millrace/core'
import type { ColumnChunk } from 'hyparquet'
import type { ConvertedColumn, ValueType } from '../values/index.js'
import { ColumnCursor, rowsOf, type PlannedColumn } from './column-cursor.js'
import { fetchRanges, inPortions, type Fetched, type FileRange } from './fetch-ranges.js'
import type { LeafPath } from './leaf-path.js'
import { readPageIndexes, type IndexedPage } from './page-index.js'
import { encrypted, parquetError, type ParquetSource } from './parquet-source.js'
import { chunkRange, rangesOf } from './read-leaf.js'
import type { RowFilter, RowRange } from './where.js'

/** A column of the file, and the field that it is to become. */
export interface WantedColumn {
  readonly name: string
  readonly target: Field
  readonly type: ValueType
  readonly path: LeafPath
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

/** The column of a row group that a leaf is in. @throws `Corrupt` where the row group has none, or it is encrypted */
export const chunkOf = ({ metadata, url }: ParquetSource, rowGroup: number, { path, name: column, index }: LeafPath): ColumnChunk => {
  const { columns } = metadata.row_groups[rowGroup]!
  const isIt = ({ meta_data: told }: ColumnChunk): boolean => told !== undefined && told.path_in_schema.length === path.length && told.path_in_schema.every((name, i) => name === path[i])
  // Of many thousand columns each would be looked for among all.
  const found = columns[index] !== undefined && isIt(columns[index]) ? columns[index] : columns.find(isIt)
  const isHidden = found === undefined && columns.some(({ encrypted_column_metadata: hidden }) => hidden !== undefined)
  if (isHidden || found?.crypto_metadata !== undefined) throw encrypted('the column is encrypted', { source: url, column })
  if (found === undefined) throw parquetError(new Error('the column is not in it'), url, `row group ${rowGroup}`, column)
  return found
}

/**
 * Reads a row group from a row on: all of its rows, or those of pages that can have some that the filter wants; as many at a time as
 * pages of all columns have in common. What is fetched is held until the end, what is decoded is not.
 *
 * @throws `Corrupt` for columns that cannot be decoded, and for an index that does not tell of its pages what they are
 */
export async function* readRowGroup(source: ParquetSource, group: GroupRequest, filter: RowFilter, from: number): AsyncGenerator<RowSpan, void, undefined> {
  const { rows, columns } = group
  const indexes = await indexesFor(source, group, filter)
  const types = new Map(columns.map(({ name, type }) => [name, type]))
  const spans = filter.rowsThatMay(indexes, (name) => types.get(name)!, rows).flatMap(({ start, end }) => (end > from ? [{ start: Math.max(start, from), end }] : []))
  if (spans.length === 0) return
  const held: Fetched[] = []
  try {
    const cursors: ColumnCursor[] = []
    for (const portion of inPortions(columns.map((column) => plan(source, group, column, spans, indexes.get(column.name))), ({ request }) => rangesOf(request))) {
      throwIfAborted(source.signal)
      const fetched = await fetchRanges(source, portion.flatMap(({ request }) => rangesOf(request)))
      held.push(fetched)
      cursors.push(...portion.map((column) => new ColumnCursor(source, column, fetched.bytes)))
    }
    for (const span of spans) for (let start = span.start; start < span.end; ) {
      const pieces = cursors.map((cursor) => [cursor.name, cursor.at(start)] as const)
      const some = { start, end: pieces.reduce((least, [, { end }]) => Math.min(least, end), span.end) }
      yield { ...some, converted: Object.fromEntries(pieces.map(([name, piece]) => [name, rowsOf(piece, some)])) }
      start = some.end
    }
  } finally {
    for (const { release } of held) release()
  }
}

/** Indexes are of use only where there is something to leave out. */
const indexesFor = async (source: ParquetSource, { rowGroup, rows, columns }: GroupRequest, filter: RowFilter): Promise<ReadonlyMap<string, readonly IndexedPage[]>> => {
  const isIndexed = ({ column_index_offset: bounds }: ColumnChunk): boolean => bounds !== undefined
  const requests = new Map(columns.map(({ name, path, type }) => [name, { chunk: chunkOf(source, rowGroup, path), path, type, rows }] as const))
  const bounded = filter.columns.filter((name) => requests.has(name) && isIndexed(requests.get(name)!.chunk))
  return bounded.length === 0 ? new Map() : readPageIndexes(source, requests, bounded)
}

const plan = (source: ParquetSource, { rowGroup, rows }: GroupRequest, wanted: WantedColumn, spans: readonly RowRange[], index: readonly IndexedPage[] | undefined): PlannedColumn => {
  const { path, target } = wanted
  const column = chunkOf(source, rowGroup, path).meta_data!
  const request = { column, path, rowGroup, rows, keepDictionary: target.kind === 'dictionary' }
  const pages = index?.filter(({ firstRow, endRow }) => spans.some(({ start, end }) => firstRow < end && endRow > start))
  if (index === undefined || pages === undefined || pages.length === index.length) return { ...wanted, request }
  const { start } = chunkRange(column)
  const dictionary: readonly FileRange[] = start < index[0]!.start ? [{ start, end: index[0]!.start }] : []
  return { ...wanted, request: { ...request, rows: pages.reduce((sum, { firstRow, endRow }) => sum + endRow - firstRow, 0), ranges: [...dictionary, ...pages] } }
}
