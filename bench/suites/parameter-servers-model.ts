import * as tf from '@tensorflow/tfjs'
import { Graph, readModel, type WeightDescription } from '@millrace/export'
import { sgd, trainingGraph } from '@millrace/distributed'
import { tensorflow, toInt64 } from '../../packages/export/src/proto/index.js'

/** Ids of a row: columns of the batch, each looked up in the same table. */
export const WIDTH = 4
export const BATCH = 512
const UNITS = 16
const HIDDEN = 64
export const LEARNING_RATE = 0.1

/** What a contender has to know of a graph to run a step of it. Names are full; batches are fed where `id` is named. */
export interface StepSpec {
  /** File of the encoded GraphDef. */
  readonly graph: string
  readonly initialize?: string
  readonly train: string
  readonly loss?: string
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

/** Where a training graph's parts go. Without it they stay in this process. */
interface Placement {
  readonly worker: string
}

/** An encoded training graph and the names in it. `ids` are what it takes: `fed` ones, or numbers that the graph draws itself. */
export const benchGraph = async (rows: number, input: 'fed' | 'drawn', placement: Placement | undefined): Promise<{ readonly bytes: Uint8Array } & Omit<StepSpec, 'graph'>> => {
  const model = benchModel(tf, rows)
  const made = trainingGraph(await readModel(model), {
    loss: 'binaryCrossentropy',
    optimizer: sgd({ learningRate: LEARNING_RATE }),
    ...(placement === undefined ? {} : { variables: (_: WeightDescription) => ({ device: '/job:ps/task:0' }), device: placement.worker }),
  })
  model.dispose()
  const [id, label] = [made.inputs['id']!, made.labels['y']!]
  const names = { initialize: made.initialize.name, train: made.train.name, loss: made.loss.name, rows, stepsPerCall: 1 }
  if (input === 'fed') return { bytes: made.graph.encode(), ...names, id: id.name, label: label.name }
  return { bytes: drawInputs(made.graph.encode(), { [id.node.name]: [[BATCH, WIDTH], rows], [label.node.name]: [[BATCH, 1], 2] }), ...names }
}

export const noOpGraph = (): { readonly bytes: Uint8Array } & Omit<StepSpec, 'graph'> => {
  const graph = new Graph()
  graph.add('NoOp', [], {}, { name: 'nothing' })
  return { bytes: graph.encode(), train: 'nothing', rows: 0, stepsPerCall: 1 }
}

const INT32 = 3

/** Puts whole numbers that are drawn anew each step, with a fixed seed, in the place of placeholders. */
const drawInputs = (bytes: Uint8Array, draws: { readonly [placeholder: string]: readonly [shape: readonly number[], below: number] }): Uint8Array => {
  const graph = tensorflow.GraphDef.decode(bytes)
  const nodes = (graph.node ?? []).flatMap((node): tensorflow.INodeDef[] => {
    const draw = draws[node.name ?? '']
    if (draw === undefined) return [node]
    const [shape, below] = draw
    const device = node.device ?? ''
    const constant = (name: string, values: readonly number[], isScalar: boolean): tensorflow.INodeDef => ({
      name: `${node.name}/${name}`, op: 'Const', device,
      attr: { dtype: { type: INT32 }, value: { tensor: { dtype: INT32, tensorShape: { dim: isScalar ? [] : [{ size: toInt64(values.length) }] }, intVal: [...values] } } },
    })
    return [
      constant('shape', shape, false), constant('from', [0], true), constant('below', [below], true),
      {
        name: `${node.name}/drawn`, op: 'RandomUniformInt', device, input: ['shape', 'from', 'below'].map((name) => `${node.name}/${name}`),
        attr: { T: { type: INT32 }, Tout: { type: INT32 }, seed: { i: toInt64(1) }, seed2: { i: toInt64(below) } },
      },
      { name: node.name ?? '', op: 'Cast', device, input: [`${node.name}/drawn`], attr: { SrcT: { type: INT32 }, DstT: { type: node.attr!['dtype']!.type! } } },
    ]
  })
  return tensorflow.GraphDef.encode({ ...graph, node: nodes }).finish()
}
