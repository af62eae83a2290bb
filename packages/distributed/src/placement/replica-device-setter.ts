import { failure, requireOneOf } from '@millrace/core'
import { partRows, type VariablePlacement, type WeightDescription } from '@millrace/export'
import type { ClusterSpec } from '../cluster/index.js'
import { bytesOf } from './variable-bytes.js'

/** Which large tables are cut into parts, and how. */
export interface PartitionOptions {
  /** A table of as many bytes is cut. Default 64 MiB: a lookup in a smaller one is not worth the work of a second server. */
  readonly minBytes?: number | undefined
  /**
   * Which rows are together. `div`: neighbours, so that a checkpoint holds the table in its own order and TensorFlow reads it as one.
   * `mod`: row `id` is in part `id % parts`, which spreads the work where small ids come often, as those of vocabularies by frequency.
   * Default `div`.
   */
  readonly layout?: 'div' | 'mod' | undefined
  /** Default: one for each parameter server, and never more than rows. */
  readonly parts?: number | undefined
}

/** Options of {@link replicaDeviceSetter}. */
export interface ReplicaDeviceSetterOptions {
  /** The cluster, or how many parameter servers it has. */
  readonly ps: ClusterSpec | number
  /**
   * `roundRobin`: one after another in the order in which variables are added (TensorFlow's default). `greedy`: each on the server
   * that holds the fewest bytes so far, the first of equals (`GreedyLoadBalancingStrategy` with `byte_size_load_fn`). Default
   * `roundRobin`.
   */
  readonly strategy?: 'roundRobin' | 'greedy' | undefined
  /** Tables of embeddings that are cut into parts over the servers; `false` for none. Default: those of 64 MiB and more. */
  readonly partition?: PartitionOptions | false | undefined
  /** Default `ps`. */
  readonly job?: string | undefined
}

/** Says where a variable is: what `variables` of a training graph takes. */
export type PlaceVariable = (variable: WeightDescription) => VariablePlacement

const MIN_BYTES = 64 * 1024 ** 2

/**
 * Places variables on parameter servers, as `tf.compat.v1.train.replica_device_setter` does: variables one by one, everything else
 * where the graph's `device` says, that of the worker. An optimizer's variables are beside those they belong to. Of a table that is
 * cut, each part takes a turn.
 *
 * A variable stays where it was first placed, however often it is asked for; so one function, or another with the same options,
 * gives every graph of the same model the same places.
 *
 * @throws `Usage` where there is no parameter server, or a number is none
 * @example
 * trainingGraph(model, { …options, variables: replicaDeviceSetter({ ps: cluster.spec, strategy: 'greedy' }), device: '/job:worker/task:0' })
 */
export const replicaDeviceSetter = (options: ReplicaDeviceSetterOptions): PlaceVariable => {
  const { strategy = 'roundRobin', partition, job = 'ps' } = options
  const tasks = psTasks(options.ps, job)
  const next = strategies[requireOneOf('strategy of replicaDeviceSetter', strategy, ['roundRobin', 'greedy'])](tasks.length)
  const turn = (bytes: number): string => `/job:${job}/task:${tasks[next(bytes)] as number}`
  const { layout = 'div', ...size } = partition === false ? { minBytes: Infinity } : (partition ?? {})
  const partsOf = (weight: WeightDescription): number => partCount(weight, tasks.length, size)
  const placed = new Map<string, VariablePlacement>()
  return (weight) => {
    const known = placed.get(weight.name)
    if (known !== undefined) return known
    const parts = partsOf(weight)
    const placement: VariablePlacement =
      parts === 1 ? { device: turn(bytesOf(weight)) } : { partition: { layout, devices: partRows(weight.shape[0] as number, parts).map((rows) => turn(bytesOf({ ...weight, shape: [rows, ...weight.shape.slice(1)] }))) } }
    placed.set(weight.name, placement)
    return placement
  }
}

const psTasks = (ps: ClusterSpec | number, job: string): readonly number[] => {
  const tasks = typeof ps === 'number' ? Array.from({ length: checkCount(ps, 'ps') }, (_, task) => task) : (ps.jobs.find(({ name }) => name === job)?.tasks.map(({ index }) => index) ?? [])
  if (tasks.length > 0) return tasks
  throw failure({ tag: 'Usage', code: 'PLACEMENT_NO_PS', problem: `the cluster has no job "${job}"`, remedy: 'Add a parameter server, or leave variables where TensorFlow places them.' })
}

const checkCount = (count: number, name: string): number => {
  if (Number.isSafeInteger(count) && count >= 1) return count
  throw failure({ tag: 'Usage', code: 'PLACEMENT_COUNT', problem: `${name} is ${count}`, remedy: 'Give a whole number from 1.' })
}

/** Only tables of embeddings are looked up by rows; anything else is read whole in each step, in parts or not. */
const partCount = (weight: WeightDescription, servers: number, { minBytes = MIN_BYTES, parts = servers }: PartitionOptions): number => {
  const [rows = 0] = weight.shape
  const isTable = weight.key === 'embeddings' && weight.shape.length === 2
  return isTable && bytesOf(weight) >= minBytes ? Math.max(1, Math.min(checkCount(parts, 'parts'), rows)) : 1
}

/** Each gives the function that chooses the next server, counted from 0. */
const strategies: Readonly<Record<'roundRobin' | 'greedy', (servers: number) => (bytes: number) => number>> = {
  roundRobin: (servers) => {
    let count = 0
    return () => {
      count += 1
      return (count - 1) % servers
    }
  },
  greedy: (servers) => {
    const loads = Array.from({ length: servers }, () => 0)
    return (bytes) => {
      const least = loads.indexOf(Math.min(...loads))
      loads[least] = (loads[least] as number) + bytes
      return least
    }
  },
}
