import { failure } from '@millrace/core'
import { GraphLowering, toNodeName, type Graph, type GraphNode, type LoweredVariable, type ModelDescription, type Tensor, type VariableReads } from '@millrace/export'
import { gradients } from '../gradients/index.js'
import { limitGradients, sumRows, type VariableGradient } from '../optimizers/apply-gradients.js'
import type { Optimizer } from '../optimizers/index.js'
import type { BatchColumn } from './batch-source.js'
import { addLabels, batchColumns, labelColumns, type LabelColumn } from './label-columns.js'
import { outlineModel, type ModelOutline } from './model-outline.js'
import { addObjective, type Objective } from './objective.js'
import { packGradients, packReads } from './packed-variables.js'
import type { TrainingGraphOptions } from './training-graph.js'

type Batch = Readonly<Record<string, Tensor>>
type StepReads = Pick<VariableReads, 'after' | 'passed'>

/** What a step computes of its batch. */
export interface ReplicaStep extends Objective {
  readonly outputs: Readonly<Record<string, Tensor>>
  /** Of each trainable variable that the loss depends on, each looked up row once. Small ones are on the variables' devices already. */
  readonly gradients: readonly VariableGradient[]
  /** Updates of layers, such as moving means. */
  readonly updates: readonly GraphNode[]
}

/** A worker's copy of the model: what computes gradients of batches, as often as wanted, on the worker's device. */
export class Replica {
  /** What a batch holds, labels too. */
  readonly columns: readonly BatchColumn[]
  readonly lowering: GraphLowering
  readonly #graph: Graph
  readonly #model: ModelDescription
  readonly #options: TrainingGraphOptions
  readonly #outline: ModelOutline
  readonly #labels: readonly LabelColumn[]

  constructor(graph: Graph, model: ModelDescription, options: TrainingGraphOptions) {
    const { device, seed, inputs, variables = 'variables' } = options
    this.#graph = graph
    this.#model = model
    this.#options = options
    // Files of a client are not on the workers, so vocabularies are in the graph.
    this.lowering = new GraphLowering(graph, model, { mode: 'training', variables, device, seed, inputs, vocabularies: 'constants' })
    this.#outline = outlineModel(model, inputs)
    this.#labels = labelColumns(this.lowering, this.#outline, options)
    this.columns = withWeights(batchColumns(this.lowering, this.#labels), options)
  }

  /** The model's variables, in the order of its layers. */
  get variables(): readonly LoweredVariable[] {
    const place = ({ weight, slice }: LoweredVariable): number => this.#outline.order.indexOf(slice?.name ?? weight.name)
    return [...this.lowering.variables].sort((a, b) => place(a) - place(b))
  }

  /** Adds placeholders for a batch. Labels that are no column of the inputs are `label`, or `label/output` where there are several. */
  feed(): { readonly batch: Batch; readonly inputs: Batch; readonly labels: Batch } {
    const fed = ({ dtype, shape }: BatchColumn, node: string): Tensor => this.#graph.placeholder(toNodeName(node), dtype, shape ?? undefined)
    const weights = this.columns.filter(({ name }) => name === this.#options.sampleWeight && !this.lowering.columns.some((column) => column.name === name))
    const inputs = Object.fromEntries([...this.lowering.columns, ...weights].map((column) => [column.name, fed(column, column.name)]))
    const label = ({ output, column }: LabelColumn): Tensor =>
      inputs[column.name] ?? fed(column, this.#labels.length === 1 ? 'label' : `label/${output}`)
    const labels = Object.fromEntries(this.#labels.map((one) => [one.output, label(one)]))
    return { batch: { ...inputs, ...Object.fromEntries(this.#labels.map(({ output, column }) => [column.name, labels[output] as Tensor])) }, inputs, labels }
  }

  /**
   * Adds one step: reads, the model, its loss, gradients.
   *
   * @param reads - how variables are read, and what is put before changes that layers make
   * @param limits - of the optimizer whose limits go for these gradients
   */
  step(batch: Batch, reads: StepReads, limits: Optimizer | undefined): ReplicaStep {
    const { device: here = '' } = this.#options
    const graph = this.#graph
    const updatesBefore = this.lowering.updates.length
    const packed = this.#read(reads, here)
    const outputs = this.lowering.apply(batch)
    const labels = addLabels(graph, this.lowering, this.#labels, batch)
    const objective = addObjective(graph, this.#model, this.lowering, outputs, labels, this.#options, this.#weightsOf(batch))
    const pairs = variableGradients(graph, objective.loss, this.variables, packed)
    const summed = graph.scope('gradients', () => pairs.map(({ variable, gradient }) => ({ variable, gradient: sumRows(graph, gradient) })))
    const ready = limits === undefined ? summed : limitGradients(graph, limits, summed)
    return { ...objective, outputs, gradients: packGradients(graph, ready, here), updates: this.lowering.updates.slice(updatesBefore) }
  }

  #weightsOf(batch: Batch): Tensor | undefined {
    const { sampleWeight } = this.#options
    const weights = sampleWeight === undefined ? undefined : (batch[sampleWeight] as Tensor)
    return weights === undefined || weights.dtype === 'float32' ? weights : this.#graph.one('Cast', [weights], { DstT: 'float32' })
  }

  /** Adds the reads of a step. @returns those that came packed, by the variable's name */
  #read(by: StepReads, here: string): ReadonlyMap<string, Tensor> {
    this.lowering.readBy(by)
    const reads = new Map(this.#outline.readWhole.map((weight) => [weight.name, this.lowering.read(weight)]))
    const packed = packReads(this.#graph, this.lowering.variables, reads, here)
    this.lowering.readBy({ ...by, values: new Map([...reads, ...packed]) })
    return packed
  }
}

/** The columns of a batch with that of the items' weights; an item that has none counts as 1. */
const withWeights = (columns: readonly BatchColumn[], { sampleWeight: name }: TrainingGraphOptions): readonly BatchColumn[] =>
  name === undefined || columns.some((column) => column.name === name) ? columns : [...columns, { name, dtype: 'float32', shape: [null], missing: 1 }]

const variableGradients = (
  graph: Graph,
  loss: Tensor,
  variables: readonly LoweredVariable[],
  packed: ReadonlyMap<string, Tensor>,
): readonly VariableGradient[] => {
  const trainable = variables.filter(({ weight }) => weight.trainable)
  const results = gradients(graph, [loss], trainable.map(({ weight, handle }) => packed.get(weight.name) ?? handle))
  const pairs = trainable.flatMap((variable, index) => {
    const gradient = results[index]
    return gradient === undefined ? [] : [{ variable, gradient }]
  })
  if (pairs.length > 0) return pairs
  throw failure({
    tag: 'Model',
    code: 'TRAINING_NOTHING',
    problem: 'the loss depends on no variable that can be trained',
    remedy: 'Check that layers are trainable.',
  })
}
