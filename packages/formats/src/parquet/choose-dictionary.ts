import { BytesColumn, DictionaryColumn, ListColumn, type Column } from '@millrace/core'
import { distinctRows, MAX_DICTIONARY_BYTES } from './distinct-rows.js'
import { plainWidth, type LeafForm } from './encode-values.js'
import { expanded } from './shred-column.js'

/**
 * A column of a row group with its innermost items as they are to be stored: as a dictionary where that pays, else written out. Dictionary columns
 * stay as they are, unless their dictionary is larger than one may be, as where most of it is of other row groups.
 *
 * @param all - whether columns that are no dictionaries may become some
 */
export const withDictionary = (column: Column, form: LeafForm, all: boolean): Column => {
  if (column instanceof ListColumn) {
    const items = withDictionary(column.items, form, all)
    return items === column.items ? column : new ListColumn(column.field, column.offsets, items, column.validity)
  }
  if (column instanceof DictionaryColumn && plainBytes(column.dictionary, form) <= MAX_DICTIONARY_BYTES) return column
  const written = expanded(column)
  const distinct = all || written !== column ? distinctRows(written, plainWidth(form)) : undefined
  return distinct === undefined ? written : new DictionaryColumn(written.field, distinct.indices, written.take(distinct.firstRows), written.validity)
}

const plainBytes = (column: Column, form: LeafForm): number =>
  column instanceof BytesColumn ? 4 * column.length + column.offsets[column.length]! - column.offsets[0]! : plainWidth(form) * column.length
