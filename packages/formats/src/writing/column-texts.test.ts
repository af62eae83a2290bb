import { describe, expect, it } from 'vitest'
import { columnFrom, ConversionError, field, fixedColumn, type Column } from '@millrace/core'
import { cellJson, columnJson } from './column-texts.js'

describe('cells of bad rows', () => {
  it('show times that have no text as the integers that are stored', () => {
    const local = columnFrom(field.timestamp({ zone: 'America/New_York', format: 'yyyy-MM-dd HH:mm' }), [new Date('2024-11-03T05:30:00Z'), new Date('2024-11-03T06:30:00Z')]) as Column
    const far = columnFrom(field.timestamp({ unit: 'us' }), [2n ** 63n - 1n]) as Column
    const day = fixedColumn(field.date(), Int32Array.of(2147483647))
    expect([cellJson(local)(0), cellJson(local)(1), cellJson(far)(0), cellJson(day)(0)]).toEqual(['"2024-11-03 01:30"', '1730615400000', '9223372036854775807', '2147483647'])
    for (const column of [far, day]) expect(() => columnJson(column)(0)).toThrow(ConversionError)
  })
})
