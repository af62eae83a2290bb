import { mkdir, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { MemoryUse } from '../memory-contender.js'
import { median } from '../harness/measure.js'
import { startContender } from '../harness/program.js'
import type { BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { largeFiles, type LargeFile } from './memory-data.js'

/** Of the full form; continuous integration takes a share. */
const FULL_BYTES = 10e9
const LIMIT_BYTES = 250e6
/** What a turn needs does not vary as times do. */
const MOST_TURNS = 3
/** From this share on one turn takes minutes, and what a process comes to hold, it holds long before the end. */
const LONG_SCALE = 0.5

const megabytes = (bytes: number): number => Number((bytes / 1e6).toPrecision(4))

/**
 * Peak memory of reading a large file, or a large result of a database, with each reader's default options, in a process of its own that does nothing else, Node
 * itself included. The limit is 250 MB, for Arrow and Parquet plus twice the largest record batch or row group once decoded.
 */
export const memorySuite = async ({ scale, turns, only, say }: SuiteContext): Promise<readonly BenchRow[]> => {
  const folder = resolve(`out/bench/memory-${process.pid}`)
  const rows: BenchRow[] = []
  for (const [reader, make] of Object.entries(largeFiles)) {
    if (!reader.includes(only)) continue
    await mkdir(folder, { recursive: true })
    let large: LargeFile | undefined
    try {
      large = await make(folder, FULL_BYTES * scale)
      if (large === undefined) {
        say(`${reader}: left out, for want of the server (npm run peers:setup)`)
        continue
      }
      const peaks: number[] = []
      for (let turn = 0; turn < (scale >= LONG_SCALE ? 1 : Math.min(turns, MOST_TURNS)); turn++) {
        const program = startContender('', { program: 'memory-contender' })
        try {
          const use = await program.ask<MemoryUse>({ do: 'read', reader, file: large.file, query: large.query })
          if (use.rows !== large.rows) throw new Error(`${reader}: ${use.rows} rows were read of ${large.rows}`)
          peaks.push(use.peak)
        } finally {
          program.close()
        }
      }
      const [ours, limit] = [median(peaks), LIMIT_BYTES + 2 * large.groupBytes]
      const ratio = Number((limit / ours).toPrecision(4))
      const name = `${reader}, ${(large.bytes / 1e9).toPrecision(2)} GB`
      rows.push({ suite: 'memory', case: name, metric: 'peak memory', unit: 'MB', ours: megabytes(ours), peer: megabytes(limit), peerName: 'limit', ratio, cpuRatio: ratio })
      say(`${name}: ${megabytes(ours)} MB of ${megabytes(limit)} MB`)
    } finally {
      await large?.stop?.()
      await rm(folder, { recursive: true, force: true })
    }
  }
  return rows
}
