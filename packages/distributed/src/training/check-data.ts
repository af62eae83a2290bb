import { describeField, failure, requireColumn, type Field, type Stream } from '@millrace/core'
import type { LayersModel } from '@tensorflow/tfjs'

/**
 * Looks at streams before the first step.
 *
 * @throws `Usage` for labels that do not fit the outputs; `Schema` for columns that are missing or hold no numbers
 */
export const checkData = (layers: LayersModel, streams: readonly Stream[], labels: readonly string[]): void => {
  checkLabels(labels, layers.outputNames)
  for (const stream of streams) {
    for (const [i, name] of layers.inputNames.entries()) requireNumbers(stream, name, `the model's input`, layers.inputs[i]!.dtype)
    for (const name of labels) requireNumbers(stream, name, 'the label')
  }
}

const checkLabels = (labels: readonly string[], outputs: readonly string[]): void => {
  const fits = outputs.length === 1 ? labels.length === 1 : labels.length === outputs.length && outputs.every((name) => labels.includes(name))
  if (fits) return
  throw failure({
    tag: 'Usage',
    code: 'LABELS',
    problem: `the model's outputs are ${outputs.join(', ')}, and the labels ${labels.join(', ')}`,
    remedy: outputs.length === 1 ? 'A model with one output takes one label.' : 'A model with several outputs takes a label for each, of the same name: rename() the columns.',
  })
}

const holdsNumbers = ({ kind, params }: Field): boolean =>
  kind === 'list' || kind === 'dictionary' ? holdsNumbers(params.item!) : kind !== 'utf8' && kind !== 'binary' && kind !== 'decimal'

/** Raw rows often have the names that the model asks for; TensorFlow.js would only say that it cannot cast a string. */
const requireNumbers = ({ schema }: Stream, name: string, use: string, dtype = 'float32'): void => {
  const field = requireColumn(schema, name, use)
  if (holdsNumbers(field) || dtype === 'string') return
  throw failure({
    tag: 'Schema',
    code: 'NOT_NUMERIC',
    problem: `${use} takes numbers, and the column "${name}" is ${describeField(field)}`,
    remedy: 'Pipe the rows through inputs.apply first.',
    position: { column: name },
  })
}
