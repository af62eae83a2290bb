import type { Field } from '@millrace/core'
import type { ConvertedColumn, Misfit, ValueType } from '../values/index.js'
import type { LeafPath } from './leaf-path.js'
import { parquetError, type ParquetSource } from './parquet-source.js'
import { convertColumn } from './parquet-column.js'
import { LeafReader, type LeafRequest } from './read-leaf.js'
import type { FetchedBytes } from './fetch-ranges.js'
import type { RowRange } from './where.js'

/** A column on its way: what is read of it, and what it becomes. */
export interface PlannedColumn {
  readonly name: string
  readonly target: Field
  readonly type: ValueType
  readonly path: LeafPath
  readonly request: LeafRequest
}

/** Rows of a row group in one column. */
export interface ColumnPiece extends RowRange {
  readonly converted: ConvertedColumn
}

/** Goes forward through a column of a row group, some pages at a time. */
export class ColumnCursor {
  readonly name: string
  private reader: LeafReader | undefined
  private piece: ColumnPiece | undefined

  /** @param bytes - gives what was fetched of the column, while the cursor is used */
  constructor(
    private readonly source: ParquetSource,
    private readonly column: PlannedColumn,
    private readonly bytes: FetchedBytes,
  ) {
    this.name = column.name
  }

  /**
   * The rows that are decoded together with a row, which may not come before the one that was asked for last.
   *
   * @throws `Corrupt` for pages that cannot be decoded, or do not have the rows that they should
   */
  at(row: number): ColumnPiece {
    const { name, request: { rowGroup } } = this.column
    try {
      while (this.piece === undefined || this.piece.end <= row) this.piece = this.next(row)
      return this.piece
    } catch (error) {
      throw parquetError(error, this.source.url, `row group ${rowGroup}`, name)
    }
  }

  private next(row: number): ColumnPiece {
    const { target, type, path, request } = this.column
    this.reader ??= new LeafReader(this.source, request, this.bytes)
    const isIndexed = request.ranges !== undefined
    const before = this.piece?.end ?? 0
    const from = isIndexed ? before : before + this.reader.skip(row - before)
    const leaf = this.reader.read()
    if (leaf === undefined) throw new Error(`the column has ${from} rows where ${request.rows} are due`)
    const converted = convertColumn(target, type, path, leaf)
    const start = leaf.firstRow ?? from
    const end = start + converted.column.length
    if (isIndexed ? end !== leaf.endRow : end > request.rows || (end === request.rows && this.reader.hasMore)) {
      throw new Error(`the column has more or fewer rows than the ${leaf.endRow ?? request.rows} that are due`)
    }
    return { start, end, converted }
  }
}

/** Some rows of a piece, counted from the first of them. */
export const rowsOf = ({ start, end, converted }: ColumnPiece, rows: RowRange): ConvertedColumn => {
  if (rows.start === start && rows.end === end) return converted
  const from = rows.start - start
  const to = rows.end - start
  const { column, faults } = converted
  const shifted = new Map<number, Misfit>()
  for (const [row, error] of faults) if (row >= from && row < to) shifted.set(row - from, error)
  return { column: column.slice(from, to), faults: shifted }
}
