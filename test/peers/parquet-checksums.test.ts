import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, pipe, run } from '@millrace/core'
import { readParquet } from '@millrace/formats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { describePeer, runPython } from '../support/peer.js'

let folder: string
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'millrace-checksums-'))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Writes numbers, texts with a dictionary, and lists; prints where the last byte of each column is, and that of the dictionary. */
const script = (file: string, version: string, codec: string): string => `
import json
import pyarrow as pa, pyarrow.parquet as pq

rows = range(2000)
table = pa.table({
    'id': pa.array(rows, pa.int64()),
    'text': [f'text {i % 7}' for i in rows],
    'items': pa.array([[i, i + 1] for i in rows], pa.list_(pa.int32())),
})
file = ${JSON.stringify(file)}
pq.write_table(table, file, write_page_checksum=True, data_page_version='${version}', compression='${codec}', use_dictionary=['text'], data_page_size=4096)
group = pq.ParquetFile(file).metadata.row_group(0)
columns = [group.column(i) for i in range(group.num_columns)]
ends = [(column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1 for column in columns]
print(json.dumps([*ends, columns[1].data_page_offset - 1]))
`

describePeer('checksums of Parquet pages that pyarrow writes', 'pyarrow', () => {
  it.each([['1.0', 'none'], ['1.0', 'snappy'], ['2.0', 'none'], ['2.0', 'snappy']])('show a bit that was changed: pages of version %s, codec %s', async (version, codec) => {
    const file = join(folder, `${version}-${codec}.parquet`)
    const places = JSON.parse(await runPython(script(file, version, codec))) as readonly number[]
    expect(await run(pipe(readParquet(file), collect()))).toHaveLength(2000)
    for (const place of places) {
      const bytes = readFileSync(file)
      bytes[place]! ^= 1
      writeFileSync(file, bytes)
      expect((await errorOf(run(pipe(readParquet(file), collect())))).message, `byte ${place}`).toContain('the checksum of a page does not hold')
      bytes[place]! ^= 1
      writeFileSync(file, bytes)
    }
  }, 60_000)
})
