import { readFileSync } from 'node:fs'
import type { Stream } from '@millrace/core'
import { readArrow, readCsv, readJson, readParquet, readSql, readTfRecords } from '@millrace/formats'
import { serve } from './harness/program.js'
import { csvSchemas } from './suites/csv-schemas.js'
import { jsonSchemas } from './suites/json-schemas.js'
import { tabular } from './suites/tfrecord-schemas.js'

/** What the memory suite asks: to read a file from its beginning to its end, with default options. */
export interface MemoryCommand {
  readonly do: 'read'
  readonly reader: string
  /** Path, or the URL of a database. */
  readonly file: string
  /** What the database is asked. */
  readonly query?: string | undefined
}

/** What came of it. */
export interface MemoryUse {
  readonly rows: number
  /** Most memory that the process held at once, in bytes, Node itself included. */
  readonly peak: number
}

const sql = (url: string, query = ''): Stream => readSql(url, query)
const csv = (file: string): Stream => readCsv(file, { schema: csvSchemas['floats']! })

const readers: { readonly [reader: string]: (file: string, query: string | undefined) => Stream } = {
  TFRecord: (file) => readTfRecords(file, { schema: tabular }),
  'TFRecord, gzip': (file) => readTfRecords(file, { schema: tabular }),
  CSV: csv,
  'CSV, gzip': csv,
  'JSON lines': (file) => readJson(file, { schema: jsonSchemas['mixed']! }),
  'JSON array': (file) => readJson(file, { schema: jsonSchemas['mixed']! }),
  'Arrow stream': (file) => readArrow(file),
  Parquet: (file) => readParquet(file),
  PostgreSQL: sql,
  MariaDB: sql,
}

/** Linux counts `maxRSS` from before the program was loaded: a child begins with what its parent held. */
const peakBytes = (): number => {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
}

await serve({
  read: async ({ reader, file, query }: MemoryCommand): Promise<MemoryUse> => {
    let rows = 0
    for await (const batch of readers[reader]!(file, query)) {
      rows += batch.numRows
      // Columns are decoded when they are looked at.
      void Object.values(batch.columns)
    }
    return { rows, peak: peakBytes() }
  },
})
