import { failure, requireCount } from '@millrace/core'
import { tensorValue, type DType, type Graph, type Shape, type Tensor } from '@millrace/export'
import type { BatchColumn, BatchInput, BatchSource } from '../training-graph/batch-source.js'

/** TFRecords of `tf.train.Example` that the servers read themselves. */
export interface TfRecordSourceOptions {
  /**
   * Paths, patterns (`/data/train-*`) or URLs as the workers see them, which need not be as this process sees them: TensorFlow's own
   * file systems open them.
   */
  readonly files: string | readonly string[]
  /** Which of the workers reads, and of how many. Default: the only one. */
  readonly shard?: TfRecordShard | undefined
  /** How all files are packed. Default `none`. */
  readonly compression?: 'none' | 'gzip' | 'zlib' | undefined
  /** Records of a batch. Default 32. */
  readonly batchSize?: number | undefined
  /** Whether a last batch that is short is left out. Default true where records are repeated for ever, else false. */
  readonly dropRemainder?: boolean | undefined
  /** How often all records are read. Default: for ever. */
  readonly epochs?: number | undefined
  /** Mixes records within a window that moves over them, another order in each epoch. Default: the order of the files. */
  readonly shuffle?: { readonly records: number; readonly seed: number } | undefined
  /** Batches that are ready before they are asked for. Default 2. */
  readonly prefetch?: number | undefined
  /** Batches that are parsed at once. Default 1, since other workers have their processors too. */
  readonly parallelism?: number | undefined
  /** Names the iterator among those of the same worker. Default `input`. */
  readonly name?: string | undefined
}

/** One worker's share of the records. */
export interface TfRecordShard {
  readonly index: number
  readonly count: number
}

/** TensorFlow's names (`record_reader.h`). */
const compressions = { none: '', gzip: 'GZIP', zlib: 'ZLIB' } as const

/** Bytes that are read at once: a fifth of what remote file systems like, and enough for a disk. */
const READ_BYTES = 1024 * 1024

/**
 * Sharded TFRecords, read, shuffled, batched and parsed by the worker's own server: no record passes through Node.
 *
 * A worker reads each `count`th file where there are as many files as workers; where there are fewer, it reads all of them and
 * takes each `count`th record. In both cases every record belongs to one worker. The columns are those that the model's features
 * take (raw shards), or the model's inputs (shards of transformed rows).
 *
 * A step fails with `TF_INVALID_ARGUMENT` when no file matches, when a record is no Example, or when it lacks a column that has to be
 * there; with `TF_DATA_LOSS` where a record is damaged.
 *
 * @throws `Usage` for counts that are none; `Model`, when it is opened, for a column whose shape is not known
 * @example
 * const made = trainingGraph(model, { ...options, inputs, source: tfRecordSource({ files: '/data/train-*', shard: { index: 0, count: 2 }, batchSize: 512 }) })
 */
export const tfRecordSource = (options: TfRecordSourceOptions): BatchSource => {
  const { batchSize = 32, epochs, prefetch = 2, parallelism = 1, shard = { index: 0, count: 1 } } = options
  requireCount(batchSize, 1, 'batchSize of tfRecordSource')
  requireCount(prefetch, 0, 'prefetch of tfRecordSource')
  requireCount(parallelism, 1, 'parallelism of tfRecordSource')
  requireCount(shard.count, 1, 'shard.count of tfRecordSource')
  requireCount(shard.index, 0, 'shard.index of tfRecordSource')
  if (epochs !== undefined) requireCount(epochs, 1, 'epochs of tfRecordSource')
  if (options.shuffle !== undefined) requireCount(options.shuffle.records, 1, 'shuffle.records of tfRecordSource')
  if (shard.index >= shard.count) throw failure({ tag: 'Usage', code: 'SHARD', problem: `shard.index is ${shard.index} of ${shard.count}`, remedy: 'Indices count from 0.' })
  const files = typeof options.files === 'string' ? [options.files] : options.files
  if (files.length === 0) throw failure({ tag: 'Usage', code: 'NO_FILES', problem: 'tfRecordSource was given no files', remedy: 'Name at least one path or pattern.' })
  const complete: Complete = {
    ...options, files, shard, batchSize, prefetch, parallelism,
    compression: options.compression ?? 'none', dropRemainder: options.dropRemainder ?? epochs === undefined, name: options.name ?? 'input',
  }
  return { open: (graph, columns) => graph.scope(complete.name, () => openRecords(graph, columns, complete)) }
}

type Defaulted = 'files' | 'shard' | 'compression' | 'batchSize' | 'dropRemainder' | 'prefetch' | 'parallelism' | 'name'
/** The options with all that has a default. */
type Complete = Omit<TfRecordSourceOptions, Defaulted> & { readonly [K in Defaulted]: NonNullable<TfRecordSourceOptions[K]> } & { readonly files: readonly string[] }

const openRecords = (graph: Graph, columns: readonly BatchColumn[], options: Complete): BatchInput => {
  const features = columns.map(exampleFeature).sort(byKey)
  const element = { output_types: features.map(({ dtype }) => dtype), output_shapes: features.map(({ shape }): Shape => [null, ...shape]) }
  const dataset = parsedBatches(graph, recordDataset(graph, options), features, element, options)
  // A server keeps iterators by name from one training to the next, and refuses to make one anew whose columns are of other types.
  const types = features.map(({ dtype, shape }) => [dtype, ...shape].join('x'))
  const shared = { shared_name: [options.name, options.shard.index, 'of', options.shard.count, ...types].join('_'), container: '' }
  const handle = graph.one('IteratorV2', [], { ...shared, ...element }, { name: 'iterator' })
  const initialize = graph.add('MakeIterator', [dataset, handle], {}, { name: 'initialize' })
  return {
    initialize,
    next: (after) => {
      const { outputs } = graph.add('IteratorGetNext', [handle], element, { control: after, name: 'next' })
      return Object.fromEntries(features.map(({ name }, index) => [name, outputs[index] as Tensor]))
    },
    position: {
      saved: graph.one('SerializeIterator', [handle], {}, { name: 'position' }),
      restore: (saved) => graph.add('DeserializeIterator', [handle, saved], {}, { name: 'restore' }),
    },
  }
}

/** A dense feature of the Examples. */
interface ExampleFeature {
  readonly name: string
  readonly dtype: 'string' | 'int64' | 'float32'
  /** Of one row. */
  readonly shape: readonly number[]
  readonly missing: BatchColumn['missing']
}

const exampleFeature = ({ name, dtype, shape, missing }: BatchColumn): ExampleFeature => {
  const item = shape?.slice(1)
  if (item === undefined || item.some((dim) => dim === null)) {
    throw failure({
      tag: 'Model',
      code: 'INPUT_SHAPE',
      problem: `the shape of the column "${name}" is not known before it is read`,
      remedy: 'Give the model\'s input a shape without nulls, or feed it from a stream.',
    })
  }
  return { name, dtype: exampleDType(name, dtype), shape: item as readonly number[], missing }
}

const exampleDType = (name: string, dtype: DType): ExampleFeature['dtype'] => {
  if (dtype === 'string') return 'string'
  if (dtype.startsWith('float')) return 'float32'
  if (dtype.includes('int') || dtype === 'bool') return 'int64'
  throw failure({ tag: 'Model', code: 'INPUT_DTYPE', problem: `the column "${name}" is of dtype ${dtype}, which no tf.train.Example holds` })
}

/** The order in which `ParseExampleDataset` gives what it parsed: that of the names' bytes. */
const byKey = (a: ExampleFeature, b: ExampleFeature): number => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))

const texts = { output_types: ['string'], output_shapes: [[]] } as const satisfies Element

interface Element {
  readonly output_types: readonly DType[]
  readonly output_shapes: readonly Shape[]
}

/** This worker's serialized records, shuffled and repeated. */
const recordDataset = (graph: Graph, { files, shard, compression, shuffle, epochs }: Complete): Tensor => {
  const int = (value: number, name: string): Tensor => graph.scalar('int64', BigInt(value), name)
  const { names, records } = ownFiles(graph, files, shard)
  let dataset = graph.one('TFRecordDataset', [names, graph.scalar('string', compressions[compression], 'compression'), int(READ_BYTES, 'read_bytes')])
  if (shard.count > 1) dataset = graph.one('ShardDataset', [dataset, records.count, records.index], texts)
  if (shuffle !== undefined) {
    // Each worker mixes in an order of its own.
    const seeds = [int(shuffle.seed, 'seed'), int(shard.index + 1, 'seed2')]
    dataset = graph.one('ShuffleDatasetV3', [dataset, int(shuffle.records, 'window'), ...seeds, graph.one('DummySeedGenerator')], texts)
  }
  return graph.one('RepeatDataset', [dataset, int(epochs ?? -1, 'epochs')], texts)
}

/** Names of the files that this worker reads, and its share of their records. */
interface OwnFiles {
  readonly names: Tensor
  readonly records: { readonly index: Tensor; readonly count: Tensor }
}

/** Patterns are resolved where the files are, when the iterator is made. */
const ownFiles = (graph: Graph, files: readonly string[], { index, count }: TfRecordShard): OwnFiles => {
  const matched = graph.one('MatchingFiles', [graph.vector('string', files, 'patterns')], {}, { name: 'files' })
  const found = graph.one('Size', [matched], {}, { name: 'found' })
  const none = graph.scalar('string', `no file matches ${files.join(', ')}`, 'none')
  const some = graph.add('Assert', [graph.one('Greater', [found, graph.scalar('int32', 0)]), [none]], {}, { name: 'some' })
  const all = graph.one('Identity', [matched], {}, { control: [some] })
  if (count === 1) return { names: all, records: { index: graph.scalar('int64', 0n), count: graph.scalar('int64', 1n) } }
  const byFile = graph.one('GreaterEqual', [found, graph.scalar('int32', count, 'workers')], {}, { name: 'by_file' })
  const either = (dtype: 'int32' | 'int64', file: number, record: number): Tensor =>
    graph.one('SelectV2', [byFile, graph.vector(dtype, dtype === 'int32' ? [file] : [BigInt(file)]), graph.vector(dtype, dtype === 'int32' ? [record] : [BigInt(record)])])
  const single = (tensor: Tensor): Tensor => graph.one('Reshape', [tensor, graph.vector('int32', [], 'scalar')])
  const bounds = [either('int32', index, 0), graph.one('ExpandDims', [found, graph.scalar('int32', 0)]), either('int32', count, 1)]
  return {
    names: graph.one('StridedSlice', [all, ...bounds]),
    records: { index: single(either('int64', 0, index)), count: single(either('int64', 1, count)) },
  }
}

const parsedBatches = (graph: Graph, records: Tensor, features: readonly ExampleFeature[], element: Element, options: Complete): Tensor => {
  const { batchSize, dropRemainder, parallelism, prefetch } = options
  const int = (value: number, name: string): Tensor => graph.scalar('int64', BigInt(value), name)
  const batched = graph.one(
    'BatchDatasetV2',
    [records, int(batchSize, 'batch_size'), graph.scalar('bool', dropRemainder, 'drop_remainder')],
    { output_types: ['string'], output_shapes: [[null]] },
  )
  const defaults = features.map(({ dtype, missing, shape }) =>
    // An empty default tells TensorFlow that the value has to be there.
    graph.constant(missing === undefined || shape.length > 0 ? tensorValue(dtype, [0], []) : tensorValue(dtype, [], [missing]), 'default'))
  const parsed = graph.one('ParseExampleDatasetV2', [batched, int(parallelism, 'parallelism'), defaults], {
    sparse_keys: [],
    sparse_types: [],
    dense_keys: features.map(({ name }) => name),
    dense_shapes: features.map(({ shape }): Shape => shape),
    ragged_keys: [],
    ragged_value_types: [],
    ragged_split_types: [],
    ...element,
  })
  return prefetch === 0 ? parsed : graph.one('PrefetchDataset', [parsed, int(prefetch, 'prefetch')], element)
}

