import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readParquet, type Where } from '@millrace/formats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'
import { describeSpark, SPARK_TIMEOUT, SparkProcess } from '../support/spark.js'

const ROWS = 40_000
/** Columns by their precision: each holds the numbers from -20,000 to 19,999, with two digits after the point. */
const precisions = [9, 18, 38] as const
const due = (satisfies: (value: number) => boolean): readonly number[] => Array.from({ length: ROWS }, (_, id) => id).filter((id) => satisfies(id - ROWS / 2))

const conditions: readonly (readonly [Where[string], readonly number[]])[] = [
  [{ lt: '-19990' }, due((value) => value < -19_990)],
  [{ gte: '-5.01', lte: 5 }, due((value) => value >= -5 && value <= 5)],
  [{ gt: '19989.99' }, due((value) => value >= 19_990)],
  [{ in: ['-300.00', '127', '128.5'] }, due((value) => value === -300 || value === 127)],
  [{ eq: '20000' }, []],
]

let folder: string
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'millrace-decimals-'))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const seen = async (file: string, where: Where): Promise<{ readonly ids: readonly number[]; readonly bytes: number }> => {
  const ids: number[] = []
  let bytes = 0
  const stream = readParquet(file, { columns: ['id', ...Object.keys(where)], where })
  for await (const batch of stream.open({ progress: ({ done, finished }) => void (finished === true || (bytes = done)) })) for (let row = 0; row < batch.numRows; row++) ids.push(Number(batch.row(row)['id']))
  return { ids: ids.sort((a, b) => a - b), bytes }
}

/** @param share - of the bytes, at most, that a condition which few rows satisfy is to read */
const check = async (file: string, share: number): Promise<void> => {
  for (const precision of precisions) {
    const column = `p${precision}`
    const all = await seen(file, { [column]: { gt: -20_001 } })
    expect(all.ids).toHaveLength(ROWS)
    for (const [condition, ids] of conditions) {
      const some = await seen(file, { [column]: condition })
      expect(some.ids, `${column} ${JSON.stringify(condition)}`).toEqual(ids)
      expect(some.bytes, `${column} ${JSON.stringify(condition)}`).toBeLessThan(all.bytes * share)
    }
  }
}

describePeer('decimals in bytes that pyarrow writes', 'pyarrow', () => {
  it('leave out row groups, and pages where there is an index, by their bounds', async () => {
    await runPython(`
import decimal
import pyarrow as pa, pyarrow.parquet as pq
values = [decimal.Decimal(i - ${ROWS / 2}) for i in range(${ROWS})]
table = pa.table({'id': pa.array(range(${ROWS}), pa.int32()), **{f'p{p}': pa.array(values, pa.decimal128(p, 2)) for p in ${JSON.stringify(precisions)}}})
options = dict(row_group_size=10000, use_dictionary=False)
pq.write_table(table, ${JSON.stringify(join(folder, 'groups.parquet'))}, **options)
pq.write_table(table, ${JSON.stringify(join(folder, 'pages.parquet'))}, write_page_index=True, data_page_size=4096, write_batch_size=256, **options)
`)
    await check(join(folder, 'groups.parquet'), 0.6)
    await check(join(folder, 'pages.parquet'), 0.4)
  })
})

describeSpark('decimals that Spark writes', () => {
  it('leave out row groups and pages by their bounds, in bytes as older Sparks and Hive have them, too', async () => {
    const spark = new SparkProcess()
    try {
      for (const legacy of ['true', 'false']) {
        await spark.run(`
spark.conf.set('spark.sql.parquet.writeLegacyFormat', args['legacy'])
columns = ', '.join(f'cast(id - ${ROWS / 2} as decimal({p}, 2)) p{p}' for p in ${JSON.stringify(precisions)})
spark.sql(f'select cast(id as int) id, {columns} from range(0, ${ROWS}, 1, 1)').write.option('parquet.page.row.count.limit', 1000).parquet(args['to'])`, { legacy, to: join(folder, `spark-${legacy}`) })
        const [file] = readdirSync(join(folder, `spark-${legacy}`)).filter((name) => name.endsWith('.parquet'))
        await check(join(folder, `spark-${legacy}`, file!), 0.5)
      }
    } finally {
      spark.stop()
    }
  }, SPARK_TIMEOUT)
})
