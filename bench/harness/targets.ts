import type { BenchRow } from './rows.js'

/** The least ratio that the project promises for rows of a suite. */
interface Target {
  readonly suite: string
  /** What the case must match. */
  readonly case: RegExp
  readonly peerName: string
  /** Default: throughput, steps and peak memory, the metrics that say how fast or how small. */
  readonly metric?: RegExp
  readonly ratio: number
}

const MAIN_METRICS = /^(throughput|steps|peak memory)$/

/** From the issues' tables "Measured". Where a row has no entry, the issues name no figure for it. */
const targets: readonly Target[] = [
  { suite: 'tfrecord', case: /^read tabular$/, peerName: 'tf.data', ratio: 3.5 },
  { suite: 'tfrecord', case: /^read tabular$/, peerName: 'protobufjs static', ratio: 15 },
  { suite: 'tfrecord', case: /^read tabular, two workers$/, peerName: 'the main thread', ratio: 1.4 },
  { suite: 'tfrecord', case: /^read tabular, two workers$/, peerName: 'one worker', ratio: 1.75 },
  { suite: 'tfrecord', case: /^read shuffled$/, peerName: 'tf.data', ratio: 2.5 },
  { suite: 'tfrecord', case: /^read images$/, peerName: 'protobufjs static', ratio: 1.15 },
  { suite: 'tfrecord', case: /^read images without native code$/, peerName: 'protobufjs static, slicing-by-8', ratio: 1.25 },
  { suite: 'tfrecord', case: /^write tabular$/, peerName: 'protobufjs static', ratio: 6 },
  { suite: 'tfrecord', case: /^write tabular$/, peerName: 'tf.io.TFRecordWriter', ratio: 2 },
  { suite: 'csv', case: /^typed columns$/, peerName: 'CsvDataset', ratio: 10 },
  { suite: 'csv', case: /^typed columns$/, peerName: 'csv-parse', ratio: 20 },
  { suite: 'csv', case: /^typed columns$/, peerName: 'uDSV', ratio: 2.5 },
  { suite: 'json', case: /^lines to typed columns$/, peerName: 'JSON.parse', ratio: 2 },
  { suite: 'json', case: /^array to typed columns$/, peerName: 'stream-json', ratio: 15 },
  { suite: 'parquet', case: /^typed columns$/, peerName: 'hyparquet', ratio: 2.5 },
  { suite: 'gzip', case: /^gunzip(, records checked)?$/, peerName: 'node:zlib default stream', ratio: 3.5 },
  { suite: 'memory', case: /./, peerName: 'limit', ratio: 1 },
  { suite: 'parameter-servers', case: /^(in-server input|fed batches)$/, peerName: 'tf.compat.v1 session', ratio: 1 },
  { suite: 'parameter-servers', case: /^(in-server input|fed batches)$/, peerName: 'tf.compat.v1 session', metric: /p99/, ratio: 1 / 1.2 },
  { suite: 'parameter-servers', case: /^in-server input$/, peerName: 'ParameterServerStrategy', ratio: 1.1 },
  { suite: 'parameter-servers', case: /^steps per run/, peerName: 'tf.compat.v1 session', ratio: 1.3 },
  { suite: 'parameter-servers', case: /^steps per run/, peerName: 'ParameterServerStrategy', ratio: 1 },
  { suite: 'parameter-servers', case: /^no-op step$/, peerName: 'tf.compat.v1 session', ratio: 0.9 },
  { suite: 'parameter-servers', case: /^no-op step, in the worker/, peerName: 'tf.compat.v1 session', ratio: 1.2 },
  { suite: 'parameter-servers', case: /^in-process/, peerName: 'tfjs-node', ratio: 3 },
  { suite: 'parameter-servers', case: /^in-process/, peerName: 'Keras', ratio: 1 },
]

/** The least ratio that a row should have; `undefined` where the issues name none. */
export const targetOf = (row: Pick<BenchRow, 'suite' | 'case' | 'peerName' | 'metric'>): number | undefined =>
  targets.find((target) => target.suite === row.suite && target.peerName === row.peerName && target.case.test(row.case) && (target.metric ?? MAIN_METRICS).test(row.metric))?.ratio
