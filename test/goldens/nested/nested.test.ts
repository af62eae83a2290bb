import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { collect, pipe, run, type Stream } from '@millrace/core'
import { readArrow, readParquet } from '@millrace/formats'
import { expect, test } from 'vitest'
import { plainRows } from '../../peers/plain-rows.js'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const files: readonly (readonly [file: string, told: string, read: (source: string) => Stream])[] = [
  ['nested-1.0.parquet', 'nested', readParquet], ['nested-2.0.parquet', 'nested', readParquet], ['nested.arrow', 'nested', readArrow], ['nested.arrows', 'nested', readArrow], ['views.arrows', 'views', readArrow],
]

test.each(files)('%s is read leaf by leaf', async (file, told, read) => {
  expect(plainRows(await run(pipe(read(path(file)), collect())))).toEqual(JSON.parse(readFileSync(path(`${told}.json`), 'utf8')))
})
