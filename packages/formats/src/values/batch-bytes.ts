import { BoolColumn, BytesColumn, DecimalColumn, DictionaryColumn, ListColumn, type Batch, type Column, type ColumnMap, type FixedColumn } from '@millrace/core'

/** Bytes that the values of a column take, but for a dictionary, which batches share. */
export const columnBytes = (column: Column): number => {
  if (column instanceof BytesColumn) return column.offsets[column.length]! - column.offsets[0]! + column.offsets.byteLength
  if (column instanceof ListColumn) {
    const { items, offsets, length } = column as ListColumn
    return columnBytes(items.slice(offsets[0]!, offsets[length]!)) + offsets.byteLength
  }
  if (column instanceof DictionaryColumn) return column.indices.byteLength
  if (column instanceof BoolColumn) return column.bits.byteLength
  if (column instanceof DecimalColumn) return column.words.byteLength
  return (column as FixedColumn).values.byteLength
}

/** Bytes that the values of a batch take. */
export const batchBytes = (batch: Batch): number => Object.values(batch.columns as ColumnMap).reduce((sum, column) => sum + columnBytes(column), 0)
