import { addCheckpointOps, type CheckpointOps } from '@millrace/distributed'
import { addVariable, Graph, tensorNumbers, tensorValue, wholeRow, type GraphNode, type LoweredVariable, type Session, type WeightDescription } from '@millrace/export'
import { cutVariable } from '../../packages/export/src/lower/partition.js'

export const ROWS = 11
export const COLUMNS = 3
type PartitionLayout = 'div' | 'mod' | 'whole'

/** A variable's description. */
export const weight = (name: string, dtype: WeightDescription['dtype'], shape: readonly number[]): WeightDescription => ({ key: name, name, dtype, shape, trainable: true })
const table = weight('table/embeddings', 'float32', [ROWS, COLUMNS])
const slot = weight('table/embeddings/Adam', 'float32', [ROWS, COLUMNS])
/** A table's values, so that each tells its place. */
export const values = (shift: number): number[] => Array.from({ length: ROWS * COLUMNS }, (_, at) => at + shift)

/** Variables of a model with checkpoint ops, without the model. */
interface PartitionedModel {
  readonly graph: Graph
  readonly ops: CheckpointOps
  readonly variables: readonly LoweredVariable[]
  /** Gives the variables values that tell them apart, or all of them zeros. */
  readonly set: GraphNode
  readonly clear: GraphNode
  readonly count: GraphNode
}

/** A model's variables on some parameter servers: a table and its slot in parts, a kernel, a bias, the global step. */
export const makeModel = (servers: number, layout: PartitionLayout): PartitionedModel => {
  const graph = new Graph()
  const device = (part: number): string => `/job:ps/task:${part % servers}`
  const parts = (whole: WeightDescription): LoweredVariable[] =>
    layout === 'whole'
      ? [addVariable(graph, whole, device(0))]
      : cutVariable(whole, layout, servers).map(({ weight: own, slice }, part) => ({ ...addVariable(graph, own, device(part)), slice }))
  const variables = [
    ...parts(table), ...parts(slot),
    addVariable(graph, weight('dense/kernel', 'float32', [3, 2]), device(1)),
    addVariable(graph, weight('dense/bias', 'float32', [2]), device(2)),
    addVariable(graph, weight('global_step', 'int64', []), device(0)),
  ]
  const rowsOf = ({ slice, weight: { shape } }: LoweredVariable, all: readonly number[]): number[] =>
    slice === undefined ? [...all] : Array.from({ length: shape[0]! }, (_, row) => all.slice(wholeRow(slice, row) * COLUMNS, (wholeRow(slice, row) + 1) * COLUMNS)).flat()
  const first = (variable: LoweredVariable): number[] => {
    if (variable.weight.name.startsWith('table/embeddings/Adam')) return rowsOf(variable, values(1000))
    if (variable.weight.name.startsWith('table')) return rowsOf(variable, values(0))
    return { 'dense/kernel': [1, 2, 3, 4, 5, 6], 'dense/bias': [-1, -2], global_step: [100] }[variable.weight.name]!
  }
  const assign = (name: string, value: (variable: LoweredVariable) => number[]): GraphNode =>
    graph.add('NoOp', [], {}, {
      name,
      control: variables.map((variable) => graph.withDevice(variable.device!, () =>
        graph.add('AssignVariableOp', [variable.handle, graph.constant(tensorValue(variable.weight.dtype, variable.weight.shape, value(variable)))]))),
    })
  const step = variables.at(-1)!
  return {
    graph,
    variables,
    set: assign('set', first),
    clear: assign('clear', ({ weight: { shape } }) => Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => 0)),
    count: graph.add('AssignAddVariableOp', [step.handle, graph.scalar('int64', 1)], {}, { name: 'count', device: step.device }),
    ops: addCheckpointOps(graph, variables),
  }
}

/** Rows of a table, in the order of their ids, as the servers have them. */
export const fetchTable = async (session: Session, { variables }: PartitionedModel, name: string): Promise<number[]> => {
  const rows: number[] = []
  for (const variable of variables) {
    if ((variable.slice?.name ?? variable.weight.name) !== name) continue
    const [value] = await session.run({ fetches: [variable.value.name] })
    const numbers = tensorNumbers(value)
    if (variable.slice === undefined) return numbers
    for (let row = 0; row < variable.weight.shape[0]!; row++) {
      for (let column = 0; column < COLUMNS; column++) rows[wholeRow(variable.slice, row) * COLUMNS + column] = numbers[row * COLUMNS + column]!
    }
  }
  return rows
}
