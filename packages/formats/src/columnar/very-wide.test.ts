import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, pipe, run, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { csvSchema, readCsv } from '../csv/index.js'
import { readJson } from '../json/index.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-very-wide-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// The documented maxFields is 65,536; beyond some 32,000 texts the kernel has no memory for the columns.
describe.each([32_000, 60_000])('%i columns of texts', (width) => {
  const names = Array.from({ length: width }, (_, i) => `c${i}`)
  const row = (value: string): { [name: string]: string } => Object.fromEntries(names.map((name, i) => [name, `${value}${i}`]))
  const expected = [row('v'), row('w')]

  it('of CSV', async () => {
    const path = join(folder, `${width}.csv`)
    writeFileSync(path, [names, ...expected.map((each) => Object.values(each))].map((fields) => fields.join(',')).join('\n'))
    expect(JSON.stringify(await run(pipe(readCsv(path) as Stream, collect())))).toBe(JSON.stringify(expected))
    expect(Object.keys(await run(csvSchema(path)))).toHaveLength(width)
  })

  it('of JSON', async () => {
    const path = join(folder, `${width}.jsonl`)
    writeFileSync(path, expected.map((each) => JSON.stringify(each)).join('\n'))
    const schema = Object.fromEntries(names.map((name) => [name, field.utf8()]))
    expect(JSON.stringify(await run(pipe(readJson(path, { schema }), collect())))).toBe(JSON.stringify(expected))
  })
})
