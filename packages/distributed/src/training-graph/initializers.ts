import { toNodeName, type Graph, type GraphNode, type LoweredTable, type LoweredVariable, type Tensor } from '@millrace/export'
import type { Slot } from '../optimizers/apply-gradients.js'
import { initialValue } from './initial-value.js'

/** What runs before the first step. */
export interface Initializers {
  /** Gives all variables their first values: the model's own, the optimizer's start, global step 0. Once for a cluster. */
  readonly initialize: GraphNode
  /** Fills the lookup tables, in every session; `undefined` where there are none. */
  readonly initializeTables: GraphNode | undefined
  /** To be fed to `initialize`: values of variables of which the model's description has neither a value nor an initializer, by name. */
  readonly initialValues: Readonly<Record<string, Tensor>>
}

const onItsDevice = <A>(graph: Graph, { device }: LoweredVariable, body: () => A): A =>
  device === undefined ? body() : graph.withDevice(device, body)

/** Adds what gives variables their first values, each made on the variable's device: of those with an initializer nothing is sent there. */
export const addInitializers = (
  graph: Graph,
  variables: readonly LoweredVariable[],
  slots: readonly Slot[],
  tables: readonly LoweredTable[],
): Initializers =>
  graph.scope('initial', () => {
    const initialValues: Record<string, Tensor> = {}
    const first = (variable: LoweredVariable, ordinal: number): Tensor => {
      const { name, value, initializer, dtype, shape } = variable.weight
      if (value !== undefined) return graph.constant(value, toNodeName(name))
      if (initializer !== undefined) return graph.scope(toNodeName(name), () => initialValue(graph, variable, initializer, ordinal))
      const fed = graph.placeholder(toNodeName(name), dtype, shape)
      initialValues[name] = fed
      return fed
    }
    const assigns = [
      ...variables.map((variable, ordinal) =>
        onItsDevice(graph, variable, () => graph.add('AssignVariableOp', [variable.handle, first(variable, ordinal)])),
      ),
      ...slots.map(({ variable, initial }) =>
        onItsDevice(graph, variable, () => {
          const { dtype, shape } = variable.weight
          const filled = graph.one('Fill', [graph.vector('int32', shape, 'shape'), graph.scalar(dtype, initial)])
          return graph.add('AssignVariableOp', [variable.handle, filled])
        }),
      ),
    ]
    return graph.atRoot(() => ({
      initialValues,
      initialize: graph.add('NoOp', [], {}, { name: 'initialize', control: assigns }),
      initializeTables:
        tables.length === 0 ? undefined : graph.add('NoOp', [], {}, { name: 'initialize_tables', control: tables.map(({ initializer }) => initializer) }),
    }))
  })
