import * as tf from '@tensorflow/tfjs'
import { field, fixedColumn, fromBatches, ListColumn, makeBatch, pipe, run } from '@millrace/core'
import { writeTfRecords } from '@millrace/formats'
import { Graph, readModel, type GraphNode, type Tensor, type WeightDescription } from '@millrace/export'
import { sgd, tfRecordSource, trainingGraph, type BatchColumn, type BatchSource } from '@millrace/distributed'

/** Ids of a row: columns of the batch, each looked up in the same table. */
export const WIDTH = 4
export const BATCH = 512
/** Batches that are made before anything is timed, and come again and again. */
export const BATCHES = 16
const UNITS = 16
const HIDDEN = 64
export const LEARNING_RATE = 0.1

/** What a contender has to know of a graph to run a step of it. Names are full; batches are fed where `id` is named. */
export interface StepSpec {
  /** File of the encoded GraphDef. */
  readonly graph: string
  /** To be run before the first step, at once. */
  readonly initialize?: readonly string[]
  readonly train: string
  readonly loss?: string
  /** The number of steps done when one is done. */
  readonly globalStep?: string
  readonly id?: string
  readonly label?: string
  /** Rows of the table. */
  readonly rows: number
  /** Steps that one call runs. */
  readonly stepsPerCall: number
}

/** A weight's first values: the same formula in every language. */
export const firstWeight = (size: number): Float32Array => Float32Array.from({ length: size }, (_, index) => 0.05 * Math.sin(index * 0.7 + size))

/** An embedding of `rows` × 16, two dense layers. */
export const benchModel = (layers: Pick<typeof tf, 'input' | 'layers' | 'model' | 'tensor'>, rows: number): tf.LayersModel => {
  const id = layers.input({ shape: [WIDTH], name: 'id' })
  const looked = layers.layers.flatten().apply(layers.layers.embedding({ inputDim: rows, outputDim: UNITS, name: 'table' }).apply(id)) as tf.SymbolicTensor
  const hidden = layers.layers.dense({ units: HIDDEN, activation: 'relu', name: 'hidden' }).apply(looked)
  const model = layers.model({ inputs: id, outputs: layers.layers.dense({ units: 1, activation: 'sigmoid', name: 'y' }).apply(hidden) as tf.SymbolicTensor })
  model.setWeights(model.getWeights().map((weight) => layers.tensor(firstWeight(weight.size), weight.shape)))
  return model
}

/** Batch number `index`, the same in every language. */
export const benchBatch = (index: number, rows: number): { readonly id: Float32Array; readonly label: Float32Array } => {
  const id = Float32Array.from({ length: BATCH * WIDTH }, (_, at) => (index * 7919 + at * 104_729) % rows)
  return { id, label: Float32Array.from({ length: BATCH }, (_, row) => (id[row * WIDTH]! % 3 === 0 ? 1 : 0)) }
}

/** Writes the batches, one after another, as `tf.train.Example`s, and returns the path of their file. */
export const writeBenchRecords = async (name: string, rows: number): Promise<string> => {
  const list = field.list(field.float32(), { size: WIDTH })
  const schema = { id: list, y: field.float32() }
  const offsets = Int32Array.from({ length: BATCH + 1 }, (_, row) => row * WIDTH)
  const batches = Array.from({ length: BATCHES }, (_, index) => {
    const { id, label } = benchBatch(index, rows)
    return makeBatch(schema, { id: new ListColumn(list, offsets, fixedColumn(field.float32(), id), undefined), y: fixedColumn(field.float32(), label) })
  })
  const { files } = await run(pipe(fromBatches(schema, batches), writeTfRecords(name, { ifExists: 'replace' })))
  return files[0]!
}

/** Where a training graph's parts go. Without it they stay in this process. */
interface Placement {
  readonly worker: string
}

/** Numbers that the graph draws itself, with a fixed seed: input that costs no client and no disk anything. */
const drawn = (rows: number): BatchSource => ({
  open: (graph, columns) => {
    const draw = ({ name, shape }: BatchColumn, control: readonly GraphNode[]): Tensor => {
      const below = name === 'id' ? rows : 2
      const sizes = graph.vector('int32', shape!.map((size) => size ?? BATCH), 'shape')
      const uniform = graph.one('RandomUniform', [sizes], { dtype: 'float32', seed: 1, seed2: below }, { control })
      return graph.one('Floor', [graph.one('Mul', [uniform, graph.scalar('float32', below)])])
    }
    return {
      initialize: graph.add('NoOp', []),
      next: (after) => Object.fromEntries(columns.map((column) => [column.name, draw(column, after)])),
      position: { saved: graph.scalar('int64', 0n), restore: () => graph.add('NoOp', []) },
    }
  },
})

/** An encoded graph and the names in it. */
export type Encoded = { readonly bytes: Uint8Array } & Omit<StepSpec, 'graph'>

/** Where batches come from: the client, the graph's own random numbers, or a file of records that the worker reads. */
export type BenchInput = 'fed' | 'drawn' | { readonly file: string }

const sourceOf = (input: Exclude<BenchInput, 'fed'>, rows: number): BatchSource => (input === 'drawn' ? drawn(rows) : tfRecordSource({ files: input.file, batchSize: BATCH }))

/**
 * A training graph.
 *
 * @param stepsPerCall - needs batches that are not fed
 */
export const benchGraph = async (rows: number, input: BenchInput, placement: Placement | undefined, stepsPerCall = 1): Promise<Encoded> => {
  const model = benchModel(tf, rows)
  const made = trainingGraph(await readModel(model), {
    loss: 'binaryCrossentropy',
    optimizer: sgd({ learningRate: LEARNING_RATE }),
    stepsPerRun: stepsPerCall,
    ...(input === 'fed' ? {} : { source: sourceOf(input, rows) }),
    ...(placement === undefined ? {} : { variables: (_: WeightDescription) => ({ device: '/job:ps/task:0' }), device: placement.worker }),
  })
  model.dispose()
  const initialize = [made.initialize.name, ...(made.source === undefined ? [] : [made.source.initialize.name])]
  const names = { bytes: made.graph.encode(), initialize, train: made.train.name, loss: made.loss.name, globalStep: made.steps.at(-1)!.globalStep.name, rows, stepsPerCall }
  return input === 'fed' ? { ...names, id: made.inputs['id']!.name, label: made.labels['y']!.name } : names
}

export const noOpGraph = (): Encoded => {
  const graph = new Graph()
  graph.add('NoOp', [], {}, { name: 'nothing' })
  return { bytes: graph.encode(), train: 'nothing', rows: 0, stepsPerCall: 1 }
}
