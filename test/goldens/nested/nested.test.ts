import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { collect, pipe, run, type Stream } from '@millrace/core'
import { readArrow, readParquet } from '@millrace/formats'
import { expect, test } from 'vitest'
import { errorOf } from '../../support/error-of.js'
import { plainRows } from '../../peers/plain-rows.js'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const files: readonly (readonly [file: string, told: string, read: (source: string) => Stream])[] = [
  ['nested-1.0.parquet', 'nested', readParquet], ['nested-2.0.parquet', 'nested', readParquet], ['nested.arrow', 'nested', readArrow], ['nested.arrows', 'nested', readArrow], ['views.arrows', 'views', readArrow],
]

test.each(files)('%s is read leaf by leaf', async (file, told, read) => {
  expect(plainRows(await run(pipe(read(path(file)), collect())))).toEqual(JSON.parse(readFileSync(path(`${told}.json`), 'utf8')))
})

const integers = (...values: readonly number[]): Buffer => Buffer.from(Int32Array.from(values).buffer)

test.each([
  ['a view beyond the items', [3, 0, 0, 1], [3, 0, 0, 2], 'a list refers to items 2 to 5, and there are 4'],
  ['a view before the items', [3, 0, 0, 1], [3, -1, 0, 1], 'a list refers to items -1 to 1, and there are 4'],
  ['a view of fewer items than none', [1, 2, 0, 3], [1, -2, 0, 3], 'a list refers to items 0 to -2, and there are 4'],
  ['runs that end where they begin', [1, 3, 4], [1, 1, 4], 'the ends of runs go back'],
  ['runs that end before the rows do', [1, 3, 4], [1, 2, 3], 'runs end at 3 of 4 values'],
])('%s: the file is refused', async (_, sound, changed, problem) => {
  const bytes = readFileSync(path('views.arrows'))
  const at = bytes.indexOf(integers(...sound))
  expect(bytes.indexOf(integers(...sound), at + 1)).toBe(-1)
  bytes.set(integers(...changed), at)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-views-'))
  try {
    writeFileSync(join(folder, 'views.arrows'), bytes)
    expect(await errorOf(run(pipe(readArrow(join(folder, 'views.arrows')), collect())))).toMatchObject({ _tag: 'Corrupt', code: 'ARROW_CORRUPT', problem: `a record batch cannot be decoded: ${problem}` })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
