import type { Field } from '../schema/index.js'
import type { Column } from './column.js'

/**
 * Grows one column value by value, straight into Arrow buffers. Values are checked: what does not fit throws a
 * `ConversionError` and leaves the builder as it was.
 */
export interface ColumnBuilder<T = unknown> {
  readonly field: Field<T>
  /** Rows so far. */
  readonly length: number
  /** Appends a JavaScript value; `null` and `undefined` append a null. */
  append(value: unknown): void
  /** Appends a null. @throws ConversionError on a field that is not nullable */
  appendNull(): void
  /** Appends the value that a text stands for (CSV fields, JSON number tokens). */
  appendText(text: string): void
  /** Forgets the rows from `length` on: undoes a record that turned out bad in a later column. */
  truncate(length: number): void
  /** The column so far; the builder starts again, empty. */
  finish(): Column<T>
}
