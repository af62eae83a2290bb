import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, type Schema, type Stream } from '@millrace/core'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { CsvKernel } from '../csv/columnar/csv-kernel.js'
import { readCsv } from '../csv/index.js'
import { JsonKernel } from '../json/columnar/json-kernel.js'
import { readJson } from '../json/index.js'
import { TEXT } from './kernel-columns.js'
import { layOut } from './kernel-layout.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-growth-'))
})
afterEach(() => void vi.restoreAllMocks())
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const WIDTH = 400
const names = Array.from({ length: WIDTH }, (_, i) => `c${i}`)
const schema: Schema = Object.fromEntries(names.map((name) => [name, field.utf8()]))
const textOf = (row: number, column: number): string => `${row} ${column} `.repeat(20)

const put = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** How often a kernel was told of columns anew, which is when they are moved. */
const tellings = (kernel: object): { readonly count: () => number } => {
  const spy = vi.spyOn(kernel as { configure: () => void }, 'configure')
  return { count: () => spy.mock.calls.length }
}

const expectRows = async (stream: Stream, rows: number): Promise<void> => {
  let row = 0
  for await (const batch of stream) {
    for (let i = 0; i < batch.numRows; i++, row++) {
      const values = Object.values(batch.row(i))
      expect(values).toEqual(names.map((_, column) => textOf(row, column)))
    }
  }
  expect(row).toBe(rows)
}

describe('many columns of texts that outgrow their memory', () => {
  const ROWS = 1000
  const lines = Array.from({ length: ROWS }, (_, row) => names.map((_, column) => textOf(row, column)))

  it('grow together in CSV', async () => {
    const file = put('wide.csv', `${names.join()}\n${lines.map((texts) => texts.join()).join('\n')}\n`)
    const told = tellings(CsvKernel.prototype)
    await expectRows(readCsv(file, { schema }) as Stream, ROWS)
    expect(told.count()).toBeLessThan(20)
  })

  it('grow together in JSON', async () => {
    const file = put('wide.jsonl', `${lines.map((texts) => JSON.stringify(Object.fromEntries(texts.map((text, i) => [names[i]!, text])))).join('\n')}\n`)
    const told = tellings(JsonKernel.prototype)
    await expectRows(readJson(file, { schema }) as Stream, ROWS)
    expect(told.count()).toBeLessThan(20)
  })
})

it('a single record takes no more room than its fields', async () => {
  // The last record without a line end is cut here, not by the kernel. Were its length set aside for each column, that were 3 GB.
  const file = put('last.csv', `${names.join()}\n${names.map((_, column) => (column === 7 ? 'x'.repeat(8_000_000) : textOf(0, column))).join()}`)
  const told = tellings(CsvKernel.prototype)
  for await (const batch of readCsv(file, { schema }) as Stream) expect(Object.values(batch.row(0)).map((text) => (text as string).length)).toEqual(names.map((_, column) => (column === 7 ? 8_000_000 : textOf(0, column).length)))
  expect(told.count()).toBeLessThan(10)
})

it('sizes beyond what an address can be do not wrap around', () => {
  const kind = { kind: TEXT, flags: 0, size: 4, least: 0n, most: 0n, scale: 0, pattern: undefined, isDeferred: false }
  const columns = Array.from({ length: 5 }, (_, at) => ({ kind, at, byteCapacity: 2 ** 30 }))
  expect(layOut({ columns, width: 5, rows: 10, window: 64, fives: 0, tens: 0, table: 0 }).end).toBeGreaterThan(5 * 2 ** 30)
})
