import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collect, field, fromRows, integerText, pipe, run, type Field } from '@millrace/core'
import { readJson, writeJson } from './index.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-numbers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What both parsers make of a value: the same, or the same code and problem of the error. */
const readAs = async (of: Field, json: string): Promise<unknown> => {
  const path = join(folder, 'value.json')
  await writeFile(path, `{"a":${json}}\n`)
  const [columnar, reference] = await Promise.all((['auto', 'stream-json'] as const).map((parser) =>
    run(pipe(readJson(path, { schema: { a: of }, parser }), collect())).then(([row]) => row!.a, (error: { code: string; problem: string }) => `${error.code}: ${error.problem}`)))
  expect(columnar, `${json} as ${of.kind}`).toEqual(reference)
  return reference
}

describe('numbers of a column that has a format', () => {
  const seconds = field.timestamp({ format: 'epochSeconds' })
  it('are read by it, as texts of the same digits', async () => {
    for (const unit of ['ms', 'us', 'ns', 's'] as const) expect(await readAs(field.timestamp({ format: 'epochSeconds', unit }), '1700000000')).toEqual(new Date(1_700_000_000_000))
    expect(await readAs(seconds, '1700000000.5')).toEqual(new Date(1_700_000_000_500))
    expect(await readAs(seconds, '"1700000000.5"')).toEqual(new Date(1_700_000_000_500))
    expect(await readAs(seconds, '-1')).toEqual(new Date(-1000))
    expect(await readAs(field.timestamp({ format: 'epochMilliseconds' }), '1700000000123')).toEqual(new Date(1_700_000_000_123))
    expect(await readAs(field.timestamp({ format: 'yyyyMMdd' }), '20240131')).toEqual(new Date('2024-01-31'))
    expect(await readAs(field.date({ format: 'yyyyMMdd' }), '20240131')).toEqual(new Date('2024-01-31'))
    expect(await readAs(field.list(seconds), '[1700000000, "1700000001.5"]')).toEqual([new Date(1_700_000_000_000), new Date(1_700_000_001_500)])
    expect(await readAs(field.dictionary(seconds), '1700000000')).toEqual(new Date(1_700_000_000_000))
  })

  it('are bad where they do not fit it', async () => {
    for (const [of, json] of [[seconds, '1.7e9'], [field.timestamp({ format: 'yyyyMMdd' }), '20241301'], [field.date({ format: 'yyyyMMdd' }), '202401311'], [field.date({ format: 'yyyyMMdd' }), '2024013']] as const) {
      expect(await readAs(of, json), json).toMatch(/^BAD_TEXT: /)
    }
  })

  it('come back from writeJson', async () => {
    const schema = { at: field.timestamp({ format: 'epochSeconds', unit: 'us' }) }
    const rows = [{ at: new Date(1_700_000_000_500) }, { at: new Date(-1) }]
    const path = join(folder, 'written.json')
    await run(pipe(fromRows(schema, rows), writeJson(path)))
    expect(await run(pipe(readJson(path, { schema }), collect()))).toEqual(rows)
  })
})

describe('integers without a format', () => {
  it('are instants in the unit of the column, however they are written', async () => {
    expect(await readAs(field.timestamp(), '1700000000123')).toEqual(new Date(1_700_000_000_123))
    expect(await readAs(field.timestamp({ unit: 's' }), '1.7e9')).toEqual(new Date(1_700_000_000_000))
    expect(await readAs(field.timestamp(), '1700000000.5')).toBe('WRONG_TYPE: 1700000000.5 (number) is not of kind timestamp')
    expect(await readAs(field.timestamp(), '1e19')).toMatch(/^OUT_OF_RANGE: /)
    expect(await readAs(field.date(), '19000')).toMatch(/^WRONG_TYPE: /)
  })

  it('are those that their decimal text is, to the last digit', async () => {
    for (const [of, json, value] of [
      [field.int64(), '1.0', 1n], [field.int64(), '1e3', 1000n], [field.int64(), '1.5e1', 15n], [field.int64(), '-0.0', 0n], [field.int64(), '1e18', 10n ** 18n], [field.int64(), '123456789012345678e0', 123456789012345678n],
      [field.int64(), '9007199254740993.0', 9007199254740993n], [field.int64(), '922337203685477580.7e1', 2n ** 63n - 1n], [field.uint64(), '1844674407370955161.5E+1', 2n ** 64n - 1n], [field.int8(), '0.000e5', 0],
      [field.int32(), '2147483647.000', 2147483647], [field.int8(), '1000e-1', 100], [field.list(field.int64()), '[1e18, 10.0]', [10n ** 18n, 10n]], [field.list(field.list(field.int64())), '[[1e18]]', [[10n ** 18n]]],
    ] as const) expect(await readAs(of, json), json).toEqual(value)
  })

  it('are bad where their text has a fraction, or is beyond the range', async () => {
    for (const json of ['9007199254740991.4', '0.99999999999999999999', '1e-400', '1.0000000000000000001', '-1e-30', '2147483647.0000000000001', '1e-999999999']) {
      for (const of of [field.int64(), field.int32(), field.uint64(), field.int64({ as: 'number' }), field.dictionary(field.int64())]) expect(await readAs(of, json), json).toMatch(/^WRONG_TYPE: .* \(number\) is not of kind (u?int|dictionary)/)
      expect(await readAs(field.list(field.list(field.int64())), `[[${json}]]`), json).toMatch(/^WRONG_TYPE: /)
    }
    for (const json of ['1e19', '9223372036854775808.0', '1e999999999', `1${'0'.repeat(500)}`]) expect(await readAs(field.int64(), json), json).toMatch(/^OUT_OF_RANGE: /)
    expect(await readAs(field.int8(), '1.28e2')).toMatch(/^OUT_OF_RANGE: "128"/)
  })

  it('are found in time that goes with their length', () => {
    const zeros = '0'.repeat(1_000_000)
    expect(integerText(`1${zeros}1`)).toBe(`1${zeros}1`)
    expect(integerText(`1.${zeros}1`)).toBeUndefined()
    expect(integerText(`0.${zeros}1e1000001`)).toBe('1')
    expect(integerText(`1${zeros}e-1000000`)).toBe('1')
    expect(integerText('-0e5')).toBe('-0')
    expect(integerText('1e999999999')).toHaveLength(41)
  })
})
