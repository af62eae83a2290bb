import { resolve } from 'node:path'
import { peerLibrary } from '../../test/support/session-servers.js'
import { startPython, type Program } from '../harness/program.js'
import type { BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { startCountedCluster, type CountedCluster } from './wire-bytes-cluster.js'
import { measureWire, wireBatches, type WireBytes, type WireCase } from './wire-bytes-steps.js'

const PS = 2
const ROWS = 10_000_000
const STEPS = 50

/** The same table and batches in a session of Python's. */
const measurePeer = async (peer: Program, cluster: CountedCluster, wire: WireCase): Promise<WireBytes> => {
  await peer.ask({ do: 'open', target: cluster.target, ps: PS, ...wire })
  const before = cluster.bytes()
  await peer.ask({ do: 'initialize' })
  const made = cluster.bytes()
  const [first, ...others] = wireBatches({ ...wire, steps: wire.steps + 1 })
  await peer.ask({ do: 'steps', batches: [first] })
  const warm = cluster.bytes()
  await peer.ask({ do: 'steps', batches: others })
  const step = (cluster.bytes() - warm) / wire.steps
  await peer.ask({ do: 'close' })
  return { initialize: made - before, step }
}

/** Four significant digits. */
const kilobytes = (bytes: number): number => Number((bytes / 1000).toPrecision(4))

const toRow = (name: string, metric: string, ours: number, theirs: number): BenchRow => {
  const ratio = Number((theirs / ours).toPrecision(4))
  return { suite: 'wire-bytes', case: name, metric, unit: 'kB', ours: kilobytes(ours), peer: kilobytes(theirs), peerName: 'tf.compat.v1 session', ratio, cpuRatio: ratio }
}

const casesOf = (rows: number): readonly (readonly [string, WireCase])[] => {
  const table = { rows, width: 16, batch: 512, steps: STEPS, ids: rows, layout: 'div' } as const
  return [
    [`${rows} x 16`, table],
    [`${rows / 10} x 16`, { ...table, rows: rows / 10, ids: rows / 10 }],
    [`${rows} x 16, batch of 2048`, { ...table, batch: 2048 }],
    [`${rows} x 16, ids of 256 rows`, { ...table, ids: 256 }],
    [`${rows} x 16, mod`, { ...table, layout: 'mod' }],
  ]
}

/**
 * `npm run bench -- wire-bytes`: bytes that go between one worker and two parameter servers while a table of ten million rows trains
 * in two parts with batches of 512, and while it gets its first values. Each case has a cluster of its own.
 */
export const wireBytesSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const rows: BenchRow[] = []
  const peer = startPython(resolve('bench/peers/wire_bytes.py'), 'tensorflow')
  if ('lacks' in peer) throw new Error(`wire-bytes compares with Python's session: ${peer.lacks}`)
  try {
    for (const [name, wire] of casesOf(Math.max(10_000, Math.round(ROWS * context.scale)))) {
      if (!name.includes(context.only)) continue
      const measured: WireBytes[] = []
      for (const measure of [measureWire, (cluster: CountedCluster, one: WireCase) => measurePeer(peer, cluster, one)]) {
        const cluster = await startCountedCluster(PS, peerLibrary())
        try {
          measured.push(await measure(cluster, wire))
        } finally {
          cluster.stop()
        }
      }
      const [ours, theirs] = measured as [WireBytes, WireBytes]
      context.say(`${name}: ${kilobytes(ours.step)} kB a step, ${kilobytes(ours.initialize)} kB for first values; peer ${kilobytes(theirs.step)} and ${kilobytes(theirs.initialize)}`)
      rows.push(toRow(name, 'bytes a step', ours.step, theirs.step), toRow(name, 'bytes of first values', ours.initialize, theirs.initialize))
    }
  } finally {
    peer.close()
  }
  return rows
}
