import * as tf from '@tensorflow/tfjs'
import { run } from '@millrace/core'
import { describeModel, withoutWeights } from '@millrace/export'
import { remoteSession, replicaDeviceSetter, sgd, trainingGraph } from '@millrace/distributed'
import type { CountedCluster } from './wire-bytes-cluster.js'

/** A table and how it is trained. */
export interface WireCase {
  readonly rows: number
  readonly width: number
  readonly batch: number
  readonly steps: number
  /** Ids are drawn from as many of the first rows. */
  readonly ids: number
  readonly layout: 'div' | 'mod'
}

/** What went between the tasks of a cluster. */
export interface WireBytes {
  /** From making the variables to their first values. */
  readonly initialize: number
  readonly step: number
}

/** Ids of each step's batch, the same for everybody. */
export const wireBatches = ({ batch, steps, ids }: WireCase): number[][] => {
  let state = 1
  const next = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return state / 0x80000000
  }
  return Array.from({ length: steps }, () => Array.from({ length: batch }, () => Math.floor(next() * ids)))
}

/** Trains a table of a model that is built without weights, in parts over the cluster's parameter servers, and counts. */
export const measureWire = async (cluster: CountedCluster, wire: WireCase): Promise<WireBytes> => {
  const { rows, width, batch, steps, layout } = wire
  const model = withoutWeights(tf, () =>
    tf.sequential({ layers: [tf.layers.embedding({ inputDim: rows, outputDim: width, inputLength: 1, name: `table_${rows}_${layout}` }), tf.layers.flatten(), tf.layers.dense({ units: 1, name: `y_${rows}_${layout}` })] }),
  )
  const { graph, inputs, labels, train, initialize } = trainingGraph(describeModel(model), {
    loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.1 }), device: '/job:worker/task:0',
    variables: replicaDeviceSetter({ ps: cluster.spec, partition: { minBytes: 1, layout } }),
  })
  const session = await run(remoteSession({ graph: graph.encode(), target: cluster.target }))
  try {
    const before = cluster.bytes()
    await session.run({ targets: [initialize.name] })
    const made = cluster.bytes()
    const [ids, label] = [Object.values(inputs)[0]!.name, Object.values(labels)[0]!.name]
    const ones = Array.from({ length: batch }, () => [1])
    const step = async (batchIds: readonly number[]): Promise<void> => {
      await session.run({ feeds: { [ids]: batchIds.map((id) => [id]), [label]: ones }, targets: [train.name] })
    }
    const [first = [], ...others] = wireBatches({ ...wire, steps: steps + 1 })
    // The first step of a session sends the graph to the servers.
    await step(first)
    const warm = cluster.bytes()
    for (const one of others) await step(one)
    return { initialize: made - before, step: (cluster.bytes() - warm) / steps }
  } finally {
    await session.close()
  }
}
