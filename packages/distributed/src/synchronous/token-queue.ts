import type { Graph, GraphNode, Tensor } from '@millrace/export'

/** Lets a worker take one step for each token. */
export interface TokenQueue {
  /**
   * Adds what puts a token in, unless one waits: the global step, for those who look at it. So a worker that has died leaves one. A worker
   * that takes the one that waits does so after this step was counted, and finds it.
   */
  put(step: Tensor): GraphNode
  /** Adds what waits for a token and takes all that are there, so that a worker that fell behind catches up. */
  take(control: readonly GraphNode[]): GraphNode
}

/**
 * Adds the queue of one worker, shared by name. A queue for each, where `tf.compat.v1.train.SyncReplicasOptimizer` has one for all:
 * so no worker takes the token of another, and counts twice in a step.
 */
export const tokenQueue = (graph: Graph, worker: number, device: string): TokenQueue => {
  const onDevice = <A>(body: () => A): A => graph.withDevice(device, body)
  const queue = onDevice(() =>
    graph.one('FIFOQueueV2', [], { component_types: ['int64'], shapes: [[]], shared_name: `synchronous/tokens_${worker}` }, { name: `tokens_${worker}` }),
  )
  return {
    put: (step) =>
      onDevice(() => {
        const waiting = graph.one('QueueSizeV2', [queue], {}, { control: [step.node] })
        const room = graph.one('Maximum', [graph.one('Sub', [graph.scalar('int32', 1), waiting]), graph.scalar('int32', 0)])
        const tokens = graph.one('Fill', [graph.one('ExpandDims', [room, graph.scalar('int32', 0)]), step])
        return graph.add('QueueEnqueueManyV2', [queue, [tokens]], {}, { name: 'put' })
      }),
    take: (control) =>
      onDevice(() => {
        const waiting = graph.one('QueueSizeV2', [queue], {}, { control })
        const count = graph.one('Maximum', [waiting, graph.scalar('int32', 1)])
        return graph.add('QueueDequeueManyV2', [queue, count], { component_types: ['int64'] }, { name: 'take' })
      }),
  }
}
