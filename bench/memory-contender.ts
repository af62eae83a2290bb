import { readFileSync } from 'node:fs'
import type { Stream } from '@millrace/core'
import { readArrow, readCsv, readJson, readParquet, readTfRecords } from '@millrace/formats'
import { serve } from './harness/program.js'
import { csvSchemas } from './suites/csv-schemas.js'
import { jsonSchemas } from './suites/json-schemas.js'
import { tabular } from './suites/tfrecord-schemas.js'

/** What the memory suite asks: to read a file from its beginning to its end, with default options. */
export interface MemoryCommand {
  readonly do: 'read'
  readonly reader: string
  readonly file: string
}

/** What came of it. */
export interface MemoryUse {
  readonly rows: number
  /** Most memory that the process held at once, in bytes, Node itself included. */
  readonly peak: number
}

const readers: { readonly [reader: string]: (file: string) => Stream } = {
  TFRecord: (file) => readTfRecords(file, { schema: tabular }),
  'TFRecord, gzip': (file) => readTfRecords(file, { schema: tabular }),
  CSV: (file) => readCsv(file, { schema: csvSchemas['floats']! }),
  'JSON lines': (file) => readJson(file, { schema: jsonSchemas['mixed']! }),
  'JSON array': (file) => readJson(file, { schema: jsonSchemas['mixed']! }),
  'Arrow stream': (file) => readArrow(file),
  Parquet: (file) => readParquet(file),
}

/** Linux counts `maxRSS` from before the program was loaded: a child begins with what its parent held. */
const peakBytes = (): number => {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
}

await serve({
  read: async ({ reader, file }: MemoryCommand): Promise<MemoryUse> => {
    let rows = 0
    for await (const batch of readers[reader]!(file)) {
      rows += batch.numRows
      // Columns are decoded when they are looked at.
      void Object.values(batch.columns)
    }
    return { rows, peak: peakBytes() }
  },
})
