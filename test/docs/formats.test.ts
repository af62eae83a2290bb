import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { cellsOf, formatsTable, schemes, services, storageSuites } from '../conformance/cells.js'
import { fileFormats, readers, writers } from '../conformance/records.js'

const fileOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const page = fileOf('docs/reference/formats.md')
const [begin, end] = ['<!-- table: made of test/conformance/cells.ts, by MILLRACE_WRITE_DOCS=1 npx vitest run test/docs/formats.test.ts -->\n', '\n<!-- end of table -->']

describe('the table of formats', () => {
  test('is the one that the suites make', () => {
    const text = readFileSync(page, 'utf8')
    const [before, rest] = text.split(begin)
    const made = `${before}${begin}${formatsTable()}${end}${rest!.split(end)[1]}`
    if (process.env['MILLRACE_WRITE_DOCS'] === '1') writeFileSync(page, made)
    else expect(text).toBe(made)
  })

  test.each(schemes.map((scheme) => [scheme] as const))('has tests for every cell of %s', (scheme) => {
    const source = readFileSync(fileOf(storageSuites[scheme]), 'utf8')
    // `storageConformance` tests what `cellsOf` names in both directions, `readsEveryFormat` what it names for reading.
    const [calls, direction] = cellsOf(scheme, 'write').length === 0 ? [`readsEveryFormat('${scheme}'`, 'read'] : [`scheme: '${scheme}'`, 'write']
    expect(source).toContain(calls)
    expect(source).toContain(direction === 'read' ? 'readsEveryFormat(' : 'storageConformance({')
  })

  test('has a reader of every format, and a writer of each that is written', () => {
    expect(readers.map(({ format }) => format).sort()).toEqual([...fileFormats].sort())
    const written = new Set(schemes.flatMap((scheme) => cellsOf(scheme, 'write')))
    expect(new Set(writers.map(({ format }) => format))).toEqual(written)
  })

  test.each(services.flatMap(({ name, ...cells }) => Object.entries(cells).map(([direction, cell]) => [name, direction, cell] as const)))('has tests for %s, to %s', (_name, _direction, cell) => {
    if ('suite' in cell) expect(readFileSync(fileOf(cell.suite), 'utf8')).toContain(cell.calls)
    else expect(cell.reason).not.toBe('')
  })
})
