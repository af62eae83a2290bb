import type { Column, Field } from '@millrace/core'
import type { SqlColumns, SqlRows } from '../sql-session.js'
import type { SqlType } from '../sql-type.js'
import { convertedColumn, type SqlValue } from '../sql-values.js'
import { validityOf, type Cells } from './cells.js'

/** How the values of a column are read from a server's bytes. */
export interface CellReader {
  /** The value of a row that is not null, as the driver would hand it over. */
  readonly value: (cells: Cells, row: number) => SqlValue
  /** The whole column under a field; `undefined` for kinds that take a conversion of each value, and where a value does not fit. */
  readonly column: (cells: Cells, field: Field) => Column | undefined
}

/** Where the values of a piece are: those of the first column, row by row, then those of the second. */
export interface CellIndex {
  readonly length: number
  readonly bytes: Uint8Array
  /** -1 where the value is null. */
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** A piece of a result whose columns are made of the bytes that the server sent. */
export class CellColumns implements SqlColumns {
  readonly length: number
  private readonly cells: readonly Cells[]

  constructor(
    index: CellIndex,
    private readonly readers: readonly CellReader[],
  ) {
    const { length, bytes, starts, ends } = index
    this.length = length
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.cells = readers.map((_, i) => ({ length, bytes, view, starts: starts.subarray(i * length, (i + 1) * length), ends: ends.subarray(i * length, (i + 1) * length) }))
  }

  value(column: number, row: number): SqlValue {
    const cells = this.cells[column]!
    return cells.starts[row]! < 0 ? null : this.readers[column]!.value(cells, row)
  }

  rows(): SqlRows {
    return Array.from({ length: this.length }, (_, row) => this.readers.map((_reader, column) => this.value(column, row)))
  }

  column(column: number, field: Field, type: SqlType): Column | undefined {
    const cells = this.cells[column]!
    if (!field.nullable && validityOf(cells) !== undefined) return undefined
    return this.readers[column]!.column(cells, field) ?? convertedColumn(field, type, this.length, (row) => this.value(column, row))
  }

  differs(columns: readonly number[], row: number): boolean {
    let differs = false
    for (const column of columns) {
      const cells = this.cells[column]!
      if (cells.starts[row]! < 0) return false
      differs ||= !sameBytes(cells, row - 1, row)
    }
    return differs
  }
}

const sameBytes = ({ bytes, starts, ends }: Cells, one: number, other: number): boolean => {
  const [from, to] = [starts[one]!, starts[other]!]
  const size = ends[other]! - to
  if (from < 0 || size !== ends[one]! - from) return false
  for (let i = 0; i < size; i++) if (bytes[from + i] !== bytes[to + i]) return false
  return true
}
