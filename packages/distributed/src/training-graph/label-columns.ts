import { failure, type FittedFeature } from '@millrace/core'
import type { Graph, GraphLowering, Shape, Tensor } from '@millrace/export'
import type { BatchColumn } from './batch-source.js'
import type { ModelOutline } from './model-outline.js'
import type { TrainingGraphOptions } from './training-graph.js'

/** Where the labels of an output come from. */
export interface LabelColumn {
  readonly output: string
  readonly column: BatchColumn
  /** What makes the label of a raw column; `undefined` where the column is the label. */
  readonly feature: FittedFeature | undefined
  /** Shape that the output's loss wants, as far as it is known. */
  readonly shape: Shape
}

type LabelOptions = Pick<TrainingGraphOptions, 'loss' | 'label' | 'labelDType' | 'inputs' | 'source'>

/** The labels of all outputs, in their order. @throws `Usage` where an output has none */
export const labelColumns = (lowering: GraphLowering, { outputs }: ModelOutline, options: LabelOptions): readonly LabelColumn[] => {
  const names = Object.keys(outputs)
  return names.map((output) => {
    const countsClasses = (typeof options.loss === 'object' ? options.loss[output] : options.loss) === 'sparseCategoricalCrossentropy'
    const own = outputs[output]?.shape
    const shape = countsClasses ? own?.map((dim, axis, all) => (axis === all.length - 1 ? 1 : dim)) : own
    const named = labelName(output, names.length, options)
    const feature = named === undefined ? undefined : featureOf(named, options)
    if (feature !== undefined) return { output, column: lowering.columnOf(feature), feature, shape }
    const dtype = options.labelDType ?? (countsClasses && options.source !== undefined ? 'int32' : 'float32')
    return { output, column: { name: named ?? output, dtype, shape }, feature, shape }
  })
}

const labelFeatures = ({ inputs }: LabelOptions): readonly FittedFeature[] => Object.values(inputs?.features ?? {}).filter(({ role }) => role === 'label')

/** The column or feature that an output's label is; `undefined` where it is fed in the output's name. */
const labelName = (output: string, outputs: number, options: LabelOptions): string | undefined => {
  const { label, source } = options
  const given = typeof label === 'object' ? label[output] : label
  if (given !== undefined) {
    if (typeof label !== 'string' || outputs === 1) return given
    throw failure({ tag: 'Usage', code: 'LABEL', problem: `one label is given for ${outputs} outputs`, remedy: `Give one for each: label: { '${output}': '${given}', … }.` })
  }
  if (label !== undefined) throw failure({ tag: 'Usage', code: 'LABEL_MISSING', problem: `the output "${output}" has no label`, remedy: `Give one: label: { '${output}': … }.` })
  if (source === undefined) return undefined
  const features = labelFeatures(options)
  if (features.some(({ name }) => name === output)) return output
  const [only, ...others] = features
  return outputs === 1 && others.length === 0 ? (only?.name ?? output) : output
}

const featureOf = (name: string, options: LabelOptions): FittedFeature | undefined => {
  const features = options.inputs?.features ?? {}
  const feature = Object.hasOwn(features, name) ? features[name] : undefined
  return feature?.role === 'label' ? feature : undefined
}

/** All columns of a batch, each once. */
export const batchColumns = (lowering: GraphLowering, labels: readonly LabelColumn[]): readonly BatchColumn[] => {
  const columns = new Map<string, BatchColumn>()
  const inputs = lowering.columns.map((column): BatchColumn => ({ ...column, missing: lowering.example?.find(({ name }) => name === column.name)?.missing }))
  for (const { name, dtype, shape, missing } of [...inputs, ...labels.map(({ column }) => column)]) {
    const known = columns.get(name)
    columns.set(name, { name, dtype, shape, missing: known === undefined || known.missing === missing ? missing : undefined })
  }
  return [...columns.values()]
}

/** Adds what makes labels of a batch's columns: by the outputs' names, in the shapes that their losses want. */
export const addLabels = (
  graph: Graph,
  lowering: GraphLowering,
  labels: readonly LabelColumn[],
  batch: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> =>
  Object.fromEntries(
    labels.map(({ output, column, feature, shape }) => {
      const given = batch[column.name] as Tensor
      return [output, feature === undefined ? given : inShape(graph, lowering.applyFeature(feature, given), shape)]
    }),
  )

/** Single values as `[batch, 1]`, where the output has that shape. */
const inShape = (graph: Graph, label: Tensor, shape: Shape): Tensor =>
  label.shape?.length === 1 && shape?.length === 2 ? graph.one('ExpandDims', [label, graph.scalar('int32', -1, 'axis')]) : label
