import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, pipe, run } from '@millrace/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import { readParquet } from './read-parquet.js'
import { thriftStruct, type ThriftStruct, type ThriftValue } from './thrift-writer.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-footer-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const noBytes: ThriftValue = { binary: '' }
const root: ThriftStruct = [[4, { binary: 'schema' }], [5, { i32: 1 }]]
const leaf: ThriftStruct = [[1, { i32: 1 }], [3, { i32: 0 }], [4, { binary: 'x' }]]

const fileOf = (footer: ThriftStruct): Uint8Array => {
  const bytes = thriftStruct(footer)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([Buffer.from('PAR1'), bytes, length, Buffer.from('PAR1')])
}

const group = (columns: ThriftValue): ThriftValue => ({ list: [{ struct: [[1, columns], [2, { i64: 0 }], [3, { i64: 1 }]] }] })
const columnOf = (path: ThriftValue): ThriftValue => ({
  list: [{ struct: [[2, { i64: 4 }], [3, { struct: [[1, { i32: 1 }], [2, { list: [] }], [3, path], [4, { i32: 0 }], [5, { i64: 1 }], [6, { i64: 0 }], [7, { i64: 0 }], [9, { i64: 4 }]] }]] }],
})

// Found by fuzzing: an empty text is taken for a list by all that goes through it.
it.each([
  ['row groups', [{ list: [{ struct: root }, { struct: leaf }] }, 0, noBytes], 'the footer has bytes where lists of columns or row groups are due'],
  ['columns of a row group', [{ list: [{ struct: root }, { struct: leaf }] }, 1, group(noBytes)], 'the footer has bytes where lists of columns or row groups are due'],
  ['the schema', [noBytes, 0, { list: [] }], 'the footer has bytes where lists of columns or row groups are due'],
  ['names of a column', [{ list: [{ struct: root }, { struct: leaf }] }, 1, group(columnOf(noBytes))], 'a column of row group 0 has bytes where names are due'],
] as const)('bytes for a list of %s are damage', async (name, [schema, rows, groups], problem) => {
  const file = join(folder, name)
  writeFileSync(file, fileOf([[1, { i32: 1 }], [2, schema], [3, { i64: rows }], [4, groups]]))
  expect(await errorOf(run(pipe(readParquet(file), collect())))).toMatchObject({ _tag: 'Corrupt', code: 'PARQUET_CORRUPT', problem, position: { source: file } })
})
