import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, type Field, type Row } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Where } from '../values/index.js'
import { readParquet, writeParquet } from './index.js'

let folder: string
let file: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-where-'))
  file = join(folder, 'rows.parquet')
  await run(pipe(fromRows(schema, rows), writeParquet(file, { rowGroupRows: 100 })))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const schema = { id: field.int32(), big: field.int64(), name: field.nullable(field.utf8()), at: field.timestamp({ unit: 'us' }), day: field.date(), score: field.nullable(field.float64()), tag: field.dictionary(), price: field.decimal(30, 2) }
const rows: readonly Row<typeof schema>[] = Array.from({ length: 1000 }, (_, id) => ({
  id, big: 2n ** 60n + BigInt(id), name: id % 7 === 0 ? null : `name ${String(id).padStart(4, '0')}`, at: new Date(1000 * id), day: new Date(86_400_000 * id), score: id < 100 ? null : id / 4, tag: `t${id % 3}`,
  price: `${id < 500 ? '-' : ''}12345678901234567890${id}.50`,
}))

/** Ids that are read, and the bytes that they took. */
const read = async (where: Where<typeof schema>, columns?: readonly string[]): Promise<{ readonly ids: readonly unknown[]; readonly bytes: number }> => {
  const ids: unknown[] = []
  let bytes = 0
  const options = { progress: ({ done, finished }: { done: number; finished?: boolean | undefined }) => { if (finished !== true) bytes = done }, ...(columns === undefined ? {} : { columns }) }
  for await (const batch of readParquet(file, { schema, where, batchRows: 64 }).open(options)) for (let row = 0; row < batch.numRows; row++) ids.push(batch.row(row).id)
  return { ids, bytes }
}

describe('where', () => {
  it('gives the rows that satisfy all conditions, by values as rows show them', async () => {
    const cases: readonly (readonly [Where<typeof schema>, (row: Row<typeof schema>) => boolean])[] = [
      [{ id: { gte: 250, lt: 260 } }, ({ id }) => id >= 250 && id < 260],
      [{ id: { in: [3, 999, 5000] }, tag: { eq: 't0' } }, ({ id }) => id === 3 || id === 999],
      [{ big: { eq: 2n ** 60n + 777n } }, ({ id }) => id === 777],
      [{ name: { gt: 'name 0990' } }, ({ name }) => name !== null && name > 'name 0990'],
      [{ at: { lte: new Date(2000) } }, ({ at }) => at.getTime() <= 2000],
      [{ day: { gt: new Date(86_400_000 * 996) } }, ({ id }) => id > 996],
      [{ score: { lt: 26 } }, ({ score }) => score !== null && score < 26],
      [{ id: { gt: 5000 } }, () => false],
      [{ price: { eq: '12345678901234567890700.5' } }, ({ id }) => id === 700],
      [{ price: { gt: '12345678901234567890700.499', lt: '12345678901234567890702.501' } }, ({ id }) => id >= 700 && id <= 702],
      [{ price: { lte: '-12345678901234567890498.50' } }, ({ id }) => id === 498 || id === 499],
      [{ price: { gte: 0 as never, in: ['12345678901234567890999.50', '1'] } }, ({ id }) => id === 999],
      [{ price: { lt: -12345678901234567890498n as never, gt: '-12345678901234567890499' } }, ({ id }) => id === 498],
    ]
    for (const [where, due] of cases) expect((await read(where)).ids, Object.keys(where).join()).toEqual(rows.filter(due).map(({ id }) => id))
  })

  it('reads no row group whose bounds show that it has none, and looks at columns that nobody asked for', async () => {
    const all = await read({})
    const some = await read({ id: { gte: 250, lt: 260 } })
    expect(some.bytes).toBeLessThan(all.bytes / 3)
    expect((await read({ id: { eq: 7 } }, ['name'])).ids).toEqual([undefined])
  })

  it('reads no row group or page whose bounds of decimals show that it has none', async () => {
    const cents = { id: field.int32(), price: field.decimal(9, 2), wide: field.decimal(18, 4), widest: field.decimal(38, 20) }
    const records = Array.from({ length: 40_000 }, (_, id) => ({ id, price: `${id - 20_000}.25`, widest: `${id - 20_000}.25`, wide: `${id < 20_000 ? '-' : ''}12345678901${String(id).padStart(3, '0').slice(-3)}.${String(id % 20_000).padStart(5, '0').slice(0, 4)}` }))
    const path = join(folder, 'decimals.parquet')
    await run(pipe(fromRows(cents, records), writeParquet(path, { rowGroupRows: 35_000 })))
    const seen = async (where: Where<typeof cents>): Promise<{ readonly ids: readonly number[]; readonly bytes: number }> => {
      const ids: number[] = []
      let bytes = 0
      for await (const batch of readParquet(path, { schema: cents, where }).open({ progress: ({ done, finished }) => void (finished === true || (bytes = done)) })) ids.push(...batch.columns.id.values)
      return { ids, bytes }
    }
    const all = await seen({})
    for (const [where, due] of [
      [{ price: { gte: '19990.25' } }, (id: number) => id >= 39_990], [{ price: { lt: '-19999.2499', gt: '-20000' } }, (id: number) => id === 1], [{ price: { lte: -19_995 } }, (id: number) => id < 6], [{ price: { in: ['0.25', '-3.25'] } }, (id: number) => id === 20_000 || id === 19_997],
      [{ widest: { gte: '19990.25' } }, (id: number) => id >= 39_990], [{ widest: { lt: '-19999.2499', gt: '-20000' } }, (id: number) => id === 1],
    ] as const) {
      const { ids, bytes } = await seen(where as Where<typeof cents>)
      expect(ids).toEqual(records.flatMap(({ id }) => (due(id) ? [id] : [])))
      expect(bytes).toBeLessThan(all.bytes / 1.5)
    }
    const [one] = records.slice(12_345)
    expect((await seen({ wide: { eq: one!.wide } })).ids).toEqual(records.flatMap(({ id, wide }) => (wide === one!.wide ? [id] : [])))
  })

  it('compares bounds as rows show the values, where the field is of another kind', async () => {
    const path = join(folder, 'kinds.parquet')
    await run(pipe(fromRows({ whole: field.int32(), real: field.float64(), big: field.int64() }, [{ whole: 50, real: 0.1, big: 2n ** 53n + 1n }]), writeParquet(path)))
    const found = async (column: string, of: Field, condition: object): Promise<number> => (await run(pipe(readParquet(path, { schema: { [column]: of }, where: { [column]: condition } }), collect()))).length
    expect(await found('whole', field.decimal(10, 2), { gte: '50' })).toBe(1)
    expect(await found('whole', field.decimal(10, 2), { eq: '50.000' })).toBe(1)
    expect(await found('real', field.float32(), { eq: Math.fround(0.1) })).toBe(1)
    expect(await found('big', field.float64(), { eq: 2 ** 53 })).toBe(1)
    expect(await found('whole', field.decimal(10, 2), { gt: '50' })).toBe(0)
  })

  it('resumes', async () => {
    const stream = readParquet(file, { schema, where: { tag: { eq: 't1' } }, batchRows: 64 })
    const seen: { readonly from: unknown; readonly count: number }[] = []
    let count = 0
    for await (const batch of stream) seen.push({ from: batch.position, count: (count += batch.numRows) })
    for (const one of seen) {
      let rest = 0
      for await (const batch of stream.open({ from: one.from as never })) rest += batch.numRows
      expect(rest).toBe(count - one.count)
    }
  })

  it('takes a condition without a bound for none, and says what no condition is', async () => {
    const path = join(folder, 'nulls.parquet')
    const some = { n: field.nullable(field.int32()) }
    await run(pipe(fromRows(some, [{ n: 1 }, { n: null }]), writeParquet(path)))
    const found = (n: unknown): Promise<readonly unknown[]> => run(pipe(readParquet(path, { schema: some, where: { n } as never }), collect()))
    for (const none of [undefined, {}, { gt: undefined, eq: undefined }]) expect(await found(none)).toHaveLength(2)
    expect(await found({ in: [] })).toHaveLength(0)
    for (const stray of [5, null, 'x', [1], new Date(0)]) await expect(found(stray)).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_WHERE', position: { column: 'n' } })
  })

  it('refuses conditions that are none, and kinds that it does not compare', async () => {
    await expect(read({ id: { above: 5 } as never })).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_WHERE', position: { column: 'id' } })
    for (const [column, bound, problem] of [
      ['id', 'x', 'where compares int32 with "x"'], ['id', true, 'where compares int32 with true'], ['id', null, 'where compares int32 with null'], ['big', new Date(0), 'where compares int64 with'], ['name', 5, 'where compares utf8 with 5'], ['at', '2026-01-01', 'where compares timestamp with "2026-01-01"'],
      ['day', new Date(NaN), 'where compares date with'], ['tag', 1n, 'where compares utf8 with 1'], ['price', 'x', 'where compares decimal with "x"'], ['price', '1e3', 'where compares decimal with "1e3"'],
    ] as const) {
      for (const condition of [{ eq: bound }, { in: [bound] }, { lte: bound }]) {
        const due = { _tag: 'Usage', code: 'BAD_WHERE', problem: expect.stringContaining(problem) as string, remedy: expect.stringContaining('are compared with') as string, position: { column } }
        await expect(read({ [column]: condition } as never), column).rejects.toMatchObject(due)
        await expect(run(pipe(readParquet(file, { where: { [column]: condition } as never }), collect())), column).rejects.toMatchObject(due)
      }
    }
    await expect(read({ id: { in: 5 } as never })).rejects.toMatchObject({ code: 'BAD_WHERE', problem: 'in of where is 5' })
    await expect(read({ idd: { eq: 5 } } as never)).rejects.toMatchObject({ _tag: 'Schema', message: expect.stringMatching(/Did you mean "id"/) })
  })
})

describe('a value that its column cannot hold', () => {
  it('is told of: a finite double beyond float32 does not become infinite', async () => {
    const wide = join(folder, 'wide.parquet')
    await run(pipe(fromRows({ x: field.float64() }, [{ x: 1.5 }, { x: Infinity }, { x: 1e300 }]), writeParquet(wide)))
    const kept: number[] = []
    for await (const batch of readParquet(wide, { schema: { x: field.float32() }, onBadRecord: 'skip' })) kept.push(...batch.columns.x.values)
    expect(kept).toEqual([1.5, Infinity])
    await expect(async () => {
      for await (const batch of readParquet(wide, { schema: { x: field.float32() } })) expect(batch.numRows).toBe(2)
    }).rejects.toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { record: 2, column: 'x' } })
  })
})

describe('what is written', () => {
  it('appears whole or not at all, and never over another file unasked', async () => {
    await expect(run(pipe(fromRows(schema, rows), writeParquet(file)))).rejects.toMatchObject({ _tag: 'AlreadyExists' })
    const failing = join(folder, 'failing.parquet')
    // The second file of the source is not there, so that the first is written by then.
    await expect(run(pipe(readParquet([file, join(folder, 'missing.parquet')], { schema }), writeParquet(failing, { rowGroupRows: 100 })))).rejects.toMatchObject({ _tag: 'NotFound' })
    expect(readdirSync(folder).filter((name) => name.includes('failing'))).toEqual([])
  })
})
