import { createServer, type Server } from 'node:http'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMillraceError, type Stream } from '@millrace/core'
import { readParquet, type Where } from '@millrace/formats'
import { parquetMetadata } from 'hyparquet'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'
import { plainRows, plainTable } from './plain-rows.js'

/** Conditions, and the same in pyarrow. */
const cases: readonly (readonly [Where, string])[] = [
  [{ id: { gte: 31_000, lt: 31_500 } }, "(pc.field('id') >= 31000) & (pc.field('id') < 31500)"],
  [{ id: { in: [5, 40_000, 99_999] } }, "pc.field('id').isin([5, 40000, 99999])"],
  [{ name: { gt: 'name 058990', lte: 'name 059010' } }, "(pc.field('name') > 'name 058990') & (pc.field('name') <= 'name 059010')"],
  [{ down: { lt: -59_900 } }, "pc.field('down') < -59900"],
  [{ scattered: { eq: 3 }, id: { lt: 2000 } }, "(pc.field('scattered') == 3) & (pc.field('id') < 2000)"],
  [{ maybe: { gte: 20_000, lt: 20_100 } }, "(pc.field('maybe') >= 20000) & (pc.field('maybe') < 20100)"],
  [{ at: { gte: new Date(1_700_000_012_000), lt: new Date(1_700_000_013_000) } }, "(pc.field('at') >= pa.scalar(1700000012000, pa.timestamp('ms'))) & (pc.field('at') < pa.scalar(1700000013000, pa.timestamp('ms')))"],
  [{ id: { lt: 0 } }, "pc.field('id') < 0"],
]

const rowsOf = async (stream: Stream): Promise<unknown[]> => {
  const rows: unknown[] = []
  for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
  return rows
}

describePeer('the page index that pyarrow writes', 'pyarrow', () => {
  let folder: string
  let due: { readonly [file: string]: readonly (readonly unknown[])[] }
  let server: Server
  const requests: { readonly start: number; readonly end: number }[] = []
  const files = ['first', 'second', 'none']
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-pages-'))
    due = JSON.parse(await runPython(`${plainTable}
import pyarrow.parquet as pq
import pyarrow.compute as pc
folder = ${JSON.stringify(folder)}
n = 60000
table = pa.table({
    'id': pa.array(range(n), pa.int64()),
    'name': ['name %06d' % i for i in range(n)],
    'down': pa.array([-i for i in range(n)], pa.int32()),
    'scattered': pa.array([i * 7919 % 1000 for i in range(n)], pa.int32()),
    'maybe': pa.array([None if 5000 <= i < 9000 or i % 9 == 4 else i for i in range(n)], pa.int32()),
    'at': pa.array([1700000000000 + i for i in range(n)], pa.timestamp('ms')),
    'noise': np.random.default_rng(5).random(n),
    'tag': pa.array(['t%d' % (i % 5) for i in range(n)]),
    'items': pa.array([None if i % 6 == 5 else list(range(i % 4)) for i in range(n)], pa.list_(pa.int32())),
})
options = dict(row_group_size=45000, data_page_size=4096, write_batch_size=256, use_dictionary=['tag'])
pq.write_table(table, f'{folder}/first.parquet', write_page_index=True, **options)
pq.write_table(table, f'{folder}/second.parquet', write_page_index=True, data_page_version='2.0', compression='zstd', **options)
pq.write_table(table, f'{folder}/none.parquet', **options)
wheres = [${cases.map(([, where]) => where).join(', ')}]
print(json.dumps({name: [rows(pq.read_table(f'{folder}/{name}.parquet', filters=where)) for where in wheres] for name in ${JSON.stringify(files)}}))
`)) as typeof due
    server = createServer(({ url, headers, method }, response) => {
      const bytes = readFileSync(join(folder, url!))
      const range = /bytes=(\d+)-(\d*)/.exec(headers.range ?? '')
      response.setHeader('accept-ranges', 'bytes')
      if (range === null || method === 'HEAD') return void response.writeHead(200, { 'content-length': bytes.length }).end(method === 'HEAD' ? undefined : bytes)
      const [start, end] = [Number(range[1]), range[2] === '' ? bytes.length : Number(range[2]) + 1]
      requests.push({ start, end })
      response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, 'content-length': end - start }).end(bytes.subarray(start, end))
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    await new Promise((resolve) => void server.close(resolve))
    rmSync(folder, { recursive: true, force: true })
  })
  const url = (file: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${file}.parquet`
  const fetched = async (file: string, where: Where, columns?: readonly string[]): Promise<{ readonly bytes: number; readonly requests: number }> => {
    requests.length = 0
    await rowsOf(readParquet(url(file), { where, columns }))
    return { requests: requests.length, bytes: requests.reduce((sum, { start, end }) => sum + end - start, 0) }
  }

  it('gives the rows that pyarrow gives, with both versions of pages, with an index and without', async () => {
    for (const file of files) {
      for (const [i, [where]] of cases.entries()) expect(plainRows(await rowsOf(readParquet(join(folder, `${file}.parquet`), { where, batchRows: 1000 })) as never), `${file} ${Object.keys(where).join()} ${i}`).toEqual(due[file]![i])
    }
  })

  it('fetches the pages that are needed, and no more', async () => {
    const all = await fetched('first', {})
    const some = await fetched('first', cases[0]![0])
    expect(some.bytes).toBeLessThan(all.bytes / 4)
    expect(some.bytes).toBeLessThan((await fetched('none', cases[0]![0])).bytes / 4)
    // Bounds of the row group say that there are such rows, those of the pages that there are none: the indexes are all that is read.
    expect((await fetched('first', { maybe: { gt: 5000, lt: 9000 } }, ['maybe', 'noise'])).bytes).toBeLessThan(all.bytes / 10)
  })

  it('fetches neighbours by one request: the ends and the footer by three, each row group by one', async () => {
    expect((await fetched('first', {})).requests).toBe(3 + 2)
    // The columns before and after others that nobody asked for.
    const { requests: count } = await fetched('first', {}, ['id', 'noise'])
    expect(count).toBe(3 + 4)
  })

  it('resumes within a row group of which some pages were left out', async () => {
    const stream = readParquet(join(folder, 'first.parquet'), { where: { scattered: { lt: 20 }, id: { gte: 10_000, lt: 50_000 } }, batchRows: 100 })
    const seen: { readonly from: unknown; readonly ids: readonly unknown[] }[] = []
    for await (const batch of stream) seen.push({ from: batch.position, ids: Array.from({ length: batch.numRows }, (_, row) => batch.row(row)['id']) })
    for (let i = 0; i < seen.length; i += 37) {
      const rest: unknown[] = []
      for await (const batch of stream.open({ from: seen[i]!.from as never })) for (let row = 0; row < batch.numRows; row++) rest.push(batch.row(row)['id'])
      expect(rest).toEqual(seen.slice(i + 1).flatMap(({ ids }) => ids))
    }
  })

  it('a damaged index costs an error or is not used: no row of a place that it tells wrongly is left out', async () => {
    const bytes = readFileSync(join(folder, 'first.parquet'))
    const copy = join(folder, 'damaged.parquet')
    const where: Where = { id: { gte: 31_000, lt: 31_050 } }
    const right = plainRows(await rowsOf(readParquet(join(folder, 'first.parquet'), { where })) as never)
    const { row_groups: [group] } = parquetMetadata(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer)
    // The places of pages, and the bounds of the column in question.
    const places = [...group!.columns.map(({ offset_index_offset: start, offset_index_length: length }) => [start, length] as const), [group!.columns[0]!.column_index_offset, group!.columns[0]!.column_index_length] as const]
    const seed = 20_261_126
    let state = seed
    const random = (below: number): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below
    let errors = 0
    for (let i = 0; i < 150; i++) {
      const place = random(places.length)
      const [start, length] = places[place]!
      const at = Number(start) + random(length!)
      const damaged = Buffer.from(bytes)
      damaged[at]! ^= 1 << random(8)
      writeFileSync(copy, damaged)
      try {
        const rows = plainRows(await rowsOf(readParquet(copy, { where })) as never)
        // Bounds are believed where they are in order: they may hide rows, but never bring wrong ones.
        if (place === places.length - 1) expect(right, `seed ${seed}, turn ${i}`).toEqual(expect.arrayContaining(rows as unknown[]))
        else expect(rows, `seed ${seed}, turn ${i}`).toEqual(right)
      } catch (error) {
        if (!isMillraceError(error)) throw error
        expect(error._tag, `seed ${seed}, turn ${i}`).toBe('Corrupt')
        errors++
      }
    }
    expect(errors).toBeLessThan(150)
  })
})
