import type { Graph, GraphNode, Tensor } from '@millrace/export'
import { isIndexedSlices, type Gradient } from '../gradients/index.js'

/** What an update touches of a variable and of what is kept beside it: all, or the rows that were looked up. */
export interface Touched {
  /** The gradient of what is touched. */
  readonly gradient: Tensor
  /** Its values now, when the gradient is there. */
  read(handle: Tensor): Tensor
  write(handle: Tensor, value: Tensor): GraphNode
  /** Takes `change` away, when other nodes are done. */
  subtract(handle: Tensor, change: Tensor, after: readonly GraphNode[]): GraphNode
}

/** For updates that TensorFlow has no kernel for. */
export const touched = (graph: Graph, gradient: Gradient): Touched => {
  if (isIndexedSlices(gradient)) {
    const { values, indices } = gradient
    return {
      gradient: values,
      read: (handle) => graph.one('ResourceGather', [handle, indices], { dtype: 'float32' }),
      write: (handle, value) => graph.add('ResourceScatterUpdate', [handle, indices, value]),
      subtract: (handle, change, after) => graph.add('ResourceScatterSub', [handle, indices, change], {}, { control: after }),
    }
  }
  return {
    gradient,
    // Nothing else makes it wait for the update of the step before.
    read: (handle) => graph.one('ReadVariableOp', [handle], { dtype: 'float32' }, { control: [gradient.node] }),
    write: (handle, value) => graph.add('AssignVariableOp', [handle, value]),
    subtract: (handle, change, after) => graph.add('AssignSubVariableOp', [handle, change], {}, { control: after }),
  }
}
