import type * as tf from '@tensorflow/tfjs'
import { field, fixedColumn, fromBatches, ListColumn, makeBatch, type Column, type Field, type Stream } from '@millrace/core'

/** A table that ids are looked up in: a column of its own name. */
interface Table {
  readonly name: string
  readonly rows: number
  readonly units: number
  /** Ids of a row. */
  readonly width: number
}

/** A model that all contenders of the suite build, each with its own library. */
export interface FitModel {
  readonly tables: readonly Table[]
  /** Whether there is a column `number` beside the ids. */
  readonly hasNumber: boolean
  readonly hidden: number
  readonly optimizer: 'sgd' | 'adam'
  readonly learningRate: number
  /** Of the tables and the hidden layer. */
  readonly l2: number
}

const flightTables: readonly (readonly [name: string, rows: number])[] = [
  ['origin', 251], ['destination', 251], ['originState', 55], ['destinationState', 55], ['hour', 24], ['weekday', 7],
]

export const fitModels: { readonly [name: string]: FitModel } = {
  /** An embedding of 100,000 × 16, two dense layers. */
  embedding: { tables: [{ name: 'id', rows: 100_000, units: 16, width: 4 }], hasNumber: false, hidden: 64, optimizer: 'sgd', learningRate: 0.1, l2: 0 },
  /** The quickstart's, without dropout, whose random numbers nobody shares. */
  flights: { tables: flightTables.map(([name, rows]) => ({ name, rows, units: 4, width: 1 })), hasNumber: true, hidden: 16, optimizer: 'adam', learningRate: 0.003, l2: 1e-3 },
}

/** A weight's first values: the same formula in every language. */
const firstWeight = (size: number): Float32Array => Float32Array.from({ length: size }, (_, index) => 0.05 * Math.sin(index * 0.7 + size))

/** Columns of some rows, the same in every language. */
export interface FitColumns {
  readonly ids: { readonly [table: string]: Int32Array }
  readonly number: Float32Array
  readonly label: Float32Array
}

export const fitColumns = ({ tables }: FitModel, rows: number): FitColumns => {
  const ids = tables.map((table, t) => [table.name, Int32Array.from({ length: rows * table.width }, (_, at) => (at * 104_729 + t * 7919) % table.rows)] as const)
  const [first, width] = [ids[0]![1], tables[0]!.width]
  return {
    ids: Object.fromEntries(ids),
    number: Float32Array.from({ length: rows }, (_, row) => Math.sin(row)),
    label: Float32Array.from({ length: rows }, (_, row) => (first[row * width]! % 3 === 0 ? 1 : 0)),
  }
}

/** The columns as a stream: what a user's own would give who has them in memory. */
export const fitStream = ({ tables, hasNumber }: FitModel, { ids, number, label }: FitColumns): Stream<Stream['schema'], 'cold'> => {
  const schema: Record<string, Field> = {}
  const columns: Record<string, Column> = {}
  const add = (name: string, of: Field, column: Column): void => {
    schema[name] = of
    columns[name] = column
  }
  for (const { name, width } of tables) {
    const items = fixedColumn(field.int32(), ids[name]!)
    if (width === 1) add(name, field.int32(), items)
    else {
      const list = field.list(field.int32(), { size: width })
      add(name, list, new ListColumn(list, Int32Array.from({ length: label.length + 1 }, (_, row) => row * width), items, undefined))
    }
  }
  if (hasNumber) add('number', field.float32(), fixedColumn(field.float32(), number))
  add('label', field.float32(), fixedColumn(field.float32(), label))
  return fromBatches(schema, [makeBatch(schema, columns)])
}

/** The model in TensorFlow.js, compiled. @param library - that of the contender */
export const buildFitModel = (library: Pick<typeof tf, 'input' | 'layers' | 'model' | 'regularizers' | 'tensor' | 'train'>, { tables, hasNumber, hidden, optimizer, learningRate, l2 }: FitModel): tf.LayersModel => {
  const { layers } = library
  const penalized = <K extends string>(key: K): { readonly [key: string]: unknown } => (l2 === 0 ? {} : { [key]: library.regularizers.l2({ l2 }) })
  const ids = tables.map(({ name, width }) => library.input({ shape: [width], name, dtype: 'int32' }))
  const looked = tables.map(({ name, rows, units }, at) =>
    layers.flatten().apply(layers.embedding({ inputDim: rows, outputDim: units, name: `table_${name}`, ...penalized('embeddingsRegularizer') }).apply(ids[at]!)) as tf.SymbolicTensor)
  const number = hasNumber ? [library.input({ shape: [1], name: 'number' })] : []
  const parts = [...looked, ...number]
  const joined = (parts.length === 1 ? parts[0] : layers.concatenate().apply(parts)) as tf.SymbolicTensor
  const between = layers.dense({ units: hidden, activation: 'relu', name: 'between', ...penalized('kernelRegularizer') }).apply(joined)
  const output = layers.dense({ units: 1, activation: 'sigmoid', name: 'output' }).apply(between) as tf.SymbolicTensor
  const model = library.model({ inputs: [...ids, ...number], outputs: output })
  for (const layer of model.layers) layer.setWeights(layer.getWeights().map(({ size, shape }) => library.tensor(firstWeight(size), shape)))
  model.compile({ loss: 'binaryCrossentropy', optimizer: optimizer === 'sgd' ? library.train.sgd(learningRate) : library.train.adam(learningRate) })
  return model
}
