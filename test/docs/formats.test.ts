import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { cellsOf, formatsTable, schemes, services, storageSuites, testsOf, type Direction, type ListedTest } from '../conformance/cells.js'
import { fileFormats, readers, writers } from '../conformance/records.js'
import { skipOrFail } from '../support/peer.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = join(root, 'docs/reference/formats.md')
const [begin, end] = ['<!-- table: made of the tests of the storages, by MILLRACE_WRITE_DOCS=1 npx vitest run test/docs/formats.test.ts -->\n', '\n<!-- end of table -->']

/** The tests of the suites as vitest finds them: those that it runs. */
const listTests = async (suites: readonly string[]): Promise<readonly ListedTest[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-list-'))
  try {
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
    const out = join(folder, 'tests.json')
    await promisify(execFile)(process.execPath, [vitest, 'list', ...suites, `--json=${out}`], { cwd: root, maxBuffer: 1 << 26 })
    return JSON.parse(readFileSync(out, 'utf8')) as readonly ListedTest[]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const cells = schemes.flatMap((scheme) => (['read', 'write'] as const).flatMap((direction) => fileFormats.map((format) => ({ scheme, direction, format }))))

describe('the table of formats', () => {
  let tests: readonly ListedTest[] = []
  beforeAll(async () => {
    tests = await listTests(Object.values(storageSuites))
  })
  const lacks = (): string | undefined => {
    const found = tests.find(({ name }) => name.includes('[skipped: '))
    return found === undefined ? undefined : found.name
  }

  test('is the one that the suites make', ({ skip }) => {
    const missing = lacks()
    if (missing !== undefined) return skipOrFail(skip, missing)
    const text = readFileSync(page, 'utf8')
    const [before, rest] = text.split(begin)
    const made = `${before}${begin}${formatsTable(tests)}${end}${rest!.split(end)[1]}`
    if (process.env['MILLRACE_WRITE_DOCS'] === '1') writeFileSync(page, made)
    else expect(text).toBe(made)
  })

  test('has tests for every cell, or a reason why there are none', ({ skip }) => {
    const missing = lacks()
    if (missing !== undefined) return skipOrFail(skip, missing)
    const tested = cells.filter(({ format, direction, scheme }) => testsOf(tests, format, direction, scheme).length > 0)
    expect(tested).toEqual(cells.filter(({ format, direction, scheme }) => cellsOf(scheme, direction).includes(format)))
  })

  test.each(['read', 'write'] as const)('has the same tests in every cell, to %s', (direction: Direction) => {
    for (const scheme of schemes) {
      const [first, ...others] = cellsOf(scheme, direction).map((format) => testsOf(tests, format, direction, scheme))
      for (const other of others) expect(other).toEqual(first)
    }
    // Files of this machine are not silent: no one speaks.
    const columns = schemes.filter((scheme) => cellsOf(scheme, direction).length > 0).map((scheme) => testsOf(tests, 'CSV', direction, scheme).filter((title) => !title.includes('while the storage says nothing')))
    for (const titles of columns) if (titles.length > 0) expect(titles).toEqual(columns[0])
    expect(columns[0]!.length).toBeGreaterThan(4)
  })

  test('has a reader of every format, and a writer of each that is written', () => {
    expect(readers.map(({ format }) => format).sort()).toEqual([...fileFormats].sort())
    const written = new Set(schemes.flatMap((scheme) => cellsOf(scheme, 'write')))
    expect(new Set(writers.map(({ format }) => format))).toEqual(written)
  })

  test.each(services.flatMap(({ name, ...both }) => Object.entries(both).map(([direction, cell]) => [name, direction, cell] as const)))('has tests for %s, to %s', (_name, _direction, cell) => {
    if ('suite' in cell) expect(readFileSync(join(root, cell.suite), 'utf8')).toContain(cell.calls)
    else expect(cell.reason).not.toBe('')
  })
})
