import type { Graph, Tensor } from '@millrace/export'
import type { BatchColumn, BatchInput, BatchSource } from '../../training-graph/index.js'

type ColumnTensors = Readonly<Record<string, Tensor>>

/** Batches that are fed, those of all steps of a run at once. */
export class FedSource implements BatchSource {
  #batches: readonly ColumnTensors[] = []
  #run: ColumnTensors = {}

  /** @param steps - of a run */
  constructor(readonly steps: number) {}

  /** To be fed for a whole run: `[steps, batch, …]`. */
  get run(): ColumnTensors {
    return this.#run
  }

  /** To be fed instead, for the first step alone: `[batch, …]`. */
  get batch(): ColumnTensors {
    return this.#batches[0]!
  }

  open(graph: Graph, columns: readonly BatchColumn[]): BatchInput {
    return graph.scope('fed', () => {
      const made = columns.map((column) => ({ column, tensors: this.#column(graph, column) }))
      this.#run = Object.fromEntries(made.map(({ column, tensors }) => [column.name, tensors.run]))
      this.#batches = Array.from({ length: this.steps }, (_, step) => Object.fromEntries(made.map(({ column, tensors }) => [column.name, tensors.batches[step]!])))
      let next = 0
      return {
        initialize: graph.add('NoOp', [], {}, { name: 'initialize' }),
        next: () => this.#batches[next++]!,
        // Whoever feeds knows where they are.
        position: { saved: graph.scalar('string', '', 'position'), restore: () => graph.add('NoOp') },
      }
    })
  }

  #column(graph: Graph, { name, dtype, shape }: BatchColumn): { readonly run: Tensor; readonly batches: readonly Tensor[] } {
    const run = graph.placeholder('run', dtype, shape === undefined ? undefined : [this.steps, ...shape])
    const [first, ...others] = graph.add('Unpack', [run], { num: this.steps }).outputs
    if (first === undefined) throw new Error(`no step takes the column ${name}`)
    return { run, batches: [graph.one('PlaceholderWithDefault', [first], { shape }), ...others] }
  }
}
