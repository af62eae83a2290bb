import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, type Row } from '@millrace/core'
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
