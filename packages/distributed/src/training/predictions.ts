import {
  derivedSchema, extendBatch, failure, fixedColumn, field, requireColumn, toTensors, transformBatches,
  type Field, type Float32, type Mode, type Schema, type Stream, type Tensors,
} from '@millrace/core'
import type { LayersModel, Tensor } from '@tensorflow/tfjs'

/** What {@link predictions} needs to know of a `tf.LayersModel`. */
export interface PredictingModel {
  readonly inputNames: string[]
  readonly outputNames: string[]
  readonly outputs: { readonly shape: readonly (number | null)[] }[]
  predictOnBatch(x: never): unknown
}

/** The columns that are added: one for each output, by its name. */
export type Predicted<Names extends string> = { readonly [K in Names]: Float32 }

/**
 * Adds what a TensorFlow.js layers model, here in memory, predicts for each row: a float32 column for each output, named as in
 * `outputs`, for models whose outputs are one number a row (`[batch, 1]`). For exported models see `loadSavedModel`.
 *
 * @param outputs - the names of the model's outputs, in order
 * @throws `Schema` when an input of the model is no column of the stream; `Model` for outputs that are not one number a row
 * @example
 * pipe(test, inputs.apply, predictions(model, ['probability']))
 */
export const predictions =
  <const Names extends string>(model: PredictingModel, outputs: readonly Names[]) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M>): Stream<S & Predicted<Names>, M> => {
    const layers = model as unknown as LayersModel
    // A sequential model has no names before it is built, which its first prediction would do.
    if (model.inputNames.length === 0) layers.build(undefined as never)
    const added = Object.fromEntries(outputs.map((name) => [name, field.float32() as Field]))
    return transformBatches<S, S & Predicted<Names>, M>(stream, {
      operator: 'predictions',
      options: { outputs },
      schema: derivedSchema([stream], () => {
        for (const name of model.inputNames) requireColumn(stream.schema, name, "the model's input")
        checkOutputs(model, outputs, stream.schema)
        return { ...stream.schema, ...added } as unknown as S & Predicted<Names>
      }),
      needs: (wanted) => (wanted === undefined ? undefined : [...new Set([...wanted.filter((name) => !(name in added)), ...model.inputNames])]),
      transform: async (batch) => {
        // TensorFlow.js predicts nothing for nothing, which filters leave of a batch now and then.
        const values = batch.numRows === 0 ? outputs.map(() => new Float32Array(0)) : await predict(layers, await toTensors(batch, { columns: model.inputNames }))
        const columns = Object.fromEntries(outputs.map((name, i) => [name, fixedColumn(field.float32(), values[i]!)]))
        return extendBatch(batch, added as Predicted<Names>, columns)
      },
    })
  }

/** The values of each output. Disposes of the inputs. */
const predict = async (model: LayersModel, inputs: Tensors): Promise<readonly Float32Array[]> => {
  let tensors: Tensor[] = []
  try {
    const result = model.predictOnBatch(model.inputNames.map((name) => inputs[name] as Tensor))
    tensors = Array.isArray(result) ? result : [result]
    return await Promise.all(tensors.map(async (tensor) => Float32Array.from(await tensor.data())))
  } finally {
    for (const tensor of [...tensors, ...Object.values(inputs)]) tensor.dispose()
  }
}

const checkOutputs = (model: PredictingModel, outputs: readonly string[], schema: Schema): void => {
  const taken = outputs.find((name) => Object.hasOwn(schema, name))
  if (taken !== undefined) {
    throw failure({ tag: 'Schema', code: 'COLUMN_EXISTS', problem: 'the stream has a column of this name already', remedy: 'Choose another name, or rename() the column.', position: { column: taken } })
  }
  const wide = model.outputs.find(({ shape }) => shape.length !== 2 || shape[1] !== 1)
  if (model.outputs.length === outputs.length && wide === undefined) return
  throw failure({
    tag: 'Model',
    code: 'NOT_SCALAR_OUTPUTS',
    problem: `the model's outputs are ${model.outputs.map(({ shape }) => `[${shape.map((size) => size ?? 'batch').join(', ')}]`).join(' and ')}, and ${outputs.length} columns of one number a row are asked for`,
    remedy: 'Name each output, and use a model that gives one number a row for each.',
  })
}
