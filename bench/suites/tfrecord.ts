import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fromBatches, pipe, run, type BytesColumn, type ColumnMap, type FixedColumn, type Schema } from '@millrace/core'
import { readTfRecords, writeTfRecords } from '@millrace/formats'
import { measure, timed, type Contender } from '../harness/measure.js'
import { startPythonPeer, type PythonPeer } from '../harness/python-peer.js'
import { benchRow, type BenchRow } from '../harness/rows.js'
import { compileProtobufjs, readWithProtobufjs, writeWithProtobufjs, type PeerColumns } from '../peers/protobufjs-examples.js'
import type { SuiteContext } from '../run.js'
import { images, makeData, tabular, type DataFile } from './tfrecord-data.js'

const TENSORFLOW = 'tf.data'
const PROTOBUFJS = 'protobufjs static'

/** What must agree before anything is timed: the rows, the sum of each number column, the bytes of each byte column. */
interface Digest {
  readonly rows: number
  readonly sums: { readonly [column: string]: number | bigint }
}

type Example = Awaited<ReturnType<typeof compileProtobufjs>>

const ourDigest = async (file: string, schema: Schema): Promise<Digest> => {
  let rows = 0
  const sums: Record<string, number | bigint> = {}
  for await (const batch of readTfRecords(file, { schema })) {
    rows += batch.numRows
    for (const [name, column] of Object.entries(batch.columns as ColumnMap)) {
      if (column.field.kind === 'float32') sums[name] = (column as FixedColumn<unknown, Float32Array>).values.reduce((sum, value) => sum + value, (sums[name] as number | undefined) ?? 0)
      else if (column.field.kind === 'int64') sums[name] = (column as FixedColumn<unknown, BigInt64Array>).values.reduce((sum, value) => sum + value, (sums[name] as bigint | undefined) ?? 0n)
      else sums[name] = ((sums[name] as number | undefined) ?? 0) + (column as BytesColumn).offsets[column.length]!
    }
  }
  return { rows, sums }
}

const protobufjsDigest = ({ rows, columns }: { readonly rows: number; readonly columns: PeerColumns }): Digest => ({
  rows,
  sums: Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [
      name,
      column instanceof Float32Array ? column.reduce((sum, value) => sum + value, 0)
      : column instanceof BigInt64Array ? column.reduce((sum, value) => sum + value, 0n)
      : column.reduce((sum, value) => sum + value.length, 0),
    ]),
  ),
})

const tensorflowDigest = async (peer: PythonPeer, command: object): Promise<Digest> => {
  const { rows, sums } = await peer.ask<{ rows: number; sums: Record<string, number | string> }>({ do: 'check', ...command })
  return { rows, sums: Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, typeof sum === 'string' ? BigInt(sum) : sum])) }
}

/** Float sums depend on their order in the last digits; all else must be equal. */
const agree = (a: number | bigint | undefined, b: number | bigint | undefined): boolean => {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a))
  return a !== undefined && b !== undefined && BigInt(a) === BigInt(b)
}

const requireAgreement = (name: string, ours: Digest, peerName: string, peer: Digest): void => {
  const wrong = Object.keys(ours.sums).filter((column) => !agree(ours.sums[column], peer.sums[column]))
  if (ours.rows !== peer.rows) throw new Error(`${name}: we see ${ours.rows} rows, ${peerName} ${peer.rows}`)
  if (wrong.length > 0) throw new Error(`${name}: we and ${peerName} disagree on ${wrong.map((column) => `${column} (${ours.sums[column]}, ${peer.sums[column]})`).join(', ')}`)
}

const featureKinds = (schema: Schema): { [name: string]: string } =>
  Object.fromEntries(Object.entries(schema).map(([name, { kind }]) => [name, kind === 'float32' ? 'float' : kind === 'int64' ? 'int' : 'bytes']))

interface Peers {
  readonly example: Example
  readonly tensorflow: PythonPeer | undefined
}

const throughput = (name: string, bytes: number, seconds: ReadonlyMap<string, number>): BenchRow[] => {
  const rate = (contender: string): number => bytes / 1e6 / seconds.get(contender)!
  return [...seconds.keys()]
    .filter((contender) => contender !== 'ours')
    .map((peerName) => benchRow({ suite: 'tfrecord', case: name, metric: 'throughput', unit: 'MB/s', ours: rate('ours'), peer: rate(peerName), peerName }, 'more'))
}

/** Reads a file to typed columns, each contender with both checksums checked. */
const readCase = async (name: string, { file, bytes }: DataFile, schema: Schema, { example, tensorflow }: Peers, batch: number): Promise<BenchRow[]> => {
  const ours = await ourDigest(file, schema)
  requireAgreement(name, ours, PROTOBUFJS, protobufjsDigest(await readWithProtobufjs(example, file, schema, ours.rows)))
  const contenders: Contender[] = [
    {
      name: 'ours',
      run: () => timed(async () => {
        let rows = 0
        for await (const read of readTfRecords(file, { schema })) rows += read.numRows
        if (rows !== ours.rows) throw new Error(`${name}: read ${rows} rows of ${ours.rows}`)
      }),
    },
    { name: PROTOBUFJS, run: () => timed(() => readWithProtobufjs(example, file, schema, ours.rows)) },
  ]
  if (tensorflow !== undefined) {
    const command = { file, features: featureKinds(schema), batch }
    requireAgreement(name, ours, TENSORFLOW, await tensorflowDigest(tensorflow, command))
    contenders.unshift({ name: TENSORFLOW, run: async () => (await tensorflow.ask<{ seconds: number }>({ do: 'read', ...command })).seconds })
  }
  return throughput(name, bytes, await measure(contenders))
}

/** Writes the tabular columns from memory to one file. */
const writeCase = async (name: string, data: Awaited<ReturnType<typeof makeData>>, { example, tensorflow }: Peers, folder: string): Promise<BenchRow[]> => {
  const stream = fromBatches(tabular, data.batches)
  const prefix = join(folder, 'ours')
  const peerFile = join(folder, 'protobufjs')
  const ours = { name: 'ours', run: () => timed(() => run(pipe(stream, writeTfRecords(prefix, { ifExists: 'replace' })))) }
  const protobufjs = { name: PROTOBUFJS, run: () => timed(() => writeWithProtobufjs(example, data.batches, peerFile)) }
  await ours.run()
  await protobufjs.run()
  const due = await ourDigest(data.tabular.file, tabular)
  requireAgreement(name, due, 'our own output', await ourDigest(`${prefix}-00000-of-00001`, tabular))
  requireAgreement(name, due, PROTOBUFJS, await ourDigest(peerFile, tabular))
  const rows = throughput(name, data.tabular.bytes, await measure([ours, protobufjs]))
  if (tensorflow === undefined) return rows
  // Python's messages are slow to make: a tenth of the rows is enough, and is compared by bytes a second.
  const command = { do: 'write', file: data.tabular.file, features: featureKinds(tabular), batch: 1024, batches: 20, out: join(folder, 'tensorflow') }
  const wrote = await tensorflow.ask<{ seconds: number; bytes: number }>(command)
  return [
    ...rows,
    benchRow({ suite: 'tfrecord', case: name, metric: 'throughput', unit: 'MB/s', ours: rows[0]!.ours, peer: wrote.bytes / 1e6 / wrote.seconds, peerName: 'tf.io.TFRecordWriter' }, 'more'),
  ]
}

/** TFRecords of tf.train.Example: 200,000 records of 13 features, the same with the features in another order each time, images. */
export const tfrecordSuite = async ({ scale, say }: SuiteContext): Promise<readonly BenchRow[]> => {
  const data = await makeData(resolve('bench/data'), scale)
  const folder = resolve('out/bench/tfrecord')
  await mkdir(folder, { recursive: true })
  const example = await compileProtobufjs(resolve('packages/export/src/proto/example.proto'), folder)
  const started = startPythonPeer(resolve('bench/peers/tf_data.py'), 'tensorflow')
  const tensorflow = 'lacks' in started ? undefined : started
  try {
    say('lacks' in started ? `without ${TENSORFLOW}: ${started.lacks}` : `TensorFlow ${(await started.ask<{ version: string }>({ do: 'version' })).version}, one thread, batches of 1024 (images: 32)`)
    const peers = { example, tensorflow }
    return [
      ...(await readCase('read tabular', data.tabular, tabular, peers, 1024)),
      ...(await readCase('read shuffled', data.shuffled, tabular, peers, 1024)),
      ...(await readCase('read images', data.images, images, peers, 32)),
      ...(await writeCase('write tabular', data, peers, folder)),
    ]
  } finally {
    tensorflow?.close()
    await rm(folder, { recursive: true, force: true })
  }
}
