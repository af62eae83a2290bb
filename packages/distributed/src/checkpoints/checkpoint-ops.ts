import { failure } from '@millrace/core'
import { modRowsTensor, tensorValue, toNodeName, type Graph, type GraphNode, type LoweredVariable, type Tensor } from '@millrace/export'
import { POSITIONS_TENSOR } from './positions.js'
import { addServerFiles, type ServerFiles } from './server-files.js'
import { modParts, rowsOfParts, savedName, sliceSpec } from './slice-spec.js'

/** Nodes that give one variable its value from a checkpoint. */
export interface RestoreOps {
  readonly variable: LoweredVariable
  /** The variable as its slice lies in the checkpoint. */
  readonly whole: GraphNode
  /** For tables, whose rows may lie in another order. */
  readonly rows: RowOps | undefined
}

/** Fills a table in steps: some rows of the checkpoint, of them every so-manieth, to every so-manieth row of the variable. */
export interface RowOps {
  /** Room for the rows, all zero. */
  readonly clear: GraphNode
  /** string scalar: which rows to read, as `shape_and_slices`. */
  readonly spec: Tensor
  /** int64 `[3]` each: start, limit and step of the rows among those that were read, and of the variable's. */
  readonly from: Tensor
  readonly to: Tensor
  readonly copy: GraphNode
}

/** What a graph has for checkpoints. */
export interface CheckpointOps {
  readonly variables: readonly LoweredVariable[]
  /** The global step, where it is among the variables. */
  readonly step: LoweredVariable | undefined
  /** string scalars to be fed: what the checkpoint is to be named, and a name in a folder of its own for its parts. */
  readonly prefix: Tensor
  readonly temporary: Tensor
  /** How many parts there are, one for each device. */
  readonly parts: number
  /** string `[n, 3]` to be fed: positions of the input. */
  readonly positions: Tensor
  /** Writes the parts, each on the device of its variables. */
  readonly shards: GraphNode
  /** Writes the parts, then makes them one checkpoint. */
  readonly save: GraphNode
  readonly restores: readonly RestoreOps[]
  /** string `[n, 3]`: positions of a checkpoint that has some. */
  readonly restoredPositions: Tensor
  /** Files where the parts are put together. */
  readonly files: ServerFiles
}

/** Options of {@link addCheckpointOps}. */
export interface CheckpointOpsOptions {
  /** Where parts are put together and files are read. Default: the device of the last variable. */
  readonly device?: string | undefined
}

const saved = (graph: Graph, prefix: Tensor, tensors: readonly (readonly [name: string, spec: string, value: Tensor])[]): GraphNode => {
  const [names, specs] = [graph.vector('string', tensors.map(([name]) => name), 'names'), graph.vector('string', tensors.map(([, spec]) => spec), 'slices')]
  return graph.add('SaveV2', [prefix, names, specs, tensors.map(([, , value]) => value)])
}

const restored = (graph: Graph, prefix: Tensor, name: string, spec: Tensor, dtype: Tensor['dtype']): Tensor =>
  graph.one('RestoreV2', [prefix, graph.vector('string', [name], 'names'), graph.one('Reshape', [spec, graph.vector('int32', [1], 'shape')])], { dtypes: [dtype] })

const addRows = (graph: Graph, prefix: Tensor, variable: LoweredVariable): RowOps => {
  const { weight: { dtype, shape }, handle } = variable
  const [spec, from, to] = [graph.placeholder('spec', 'string', []), graph.placeholder('from', 'int64', [3]), graph.placeholder('to', 'int64', [3])]
  const range = (numbers: Tensor): Tensor => graph.one('Range', graph.add('Unpack', [numbers], { num: 3 }).outputs)
  const block = restored(graph, prefix, savedName(variable), spec, dtype)
  const rows = graph.one('GatherV2', [block, range(from), graph.scalar('int32', 0, 'axis')])
  const zero = graph.constant(tensorValue(dtype, [], [0]), 'zero')
  return {
    spec,
    from,
    to,
    clear: graph.add('AssignVariableOp', [handle, graph.one('Fill', [graph.vector('int32', shape, 'shape'), zero])]),
    copy: graph.add('ResourceScatterUpdate', [handle, range(to), rows]),
  }
}

/** Tables have rows that may be dealt out to parts in other ways. */
const isTable = ({ slice, weight }: LoweredVariable): boolean => slice !== undefined || weight.shape.length === 2

const addRestore = (graph: Graph, prefix: Tensor, variable: LoweredVariable): RestoreOps =>
  graph.withDevice(variable.device ?? '', () =>
    graph.scope(`restore/${toNodeName(variable.weight.name)}`, () => {
      const value = restored(graph, prefix, savedName(variable), graph.scalar('string', sliceSpec(variable), 'slice'), variable.weight.dtype)
      return {
        variable,
        whole: graph.add('AssignVariableOp', [variable.handle, value]),
        rows: isTable(variable) ? addRows(graph, prefix, variable) : undefined,
      }
    }),
  )

/** Tables that lie in the checkpoint part by part, each once. */
const layouts = (graph: Graph, variables: readonly LoweredVariable[]): [string, string, Tensor][] =>
  variables.flatMap(({ slice }): [string, string, Tensor][] =>
    slice !== undefined && slice.part === 0 && modParts(slice) > 1 ? [[modRowsTensor(slice.name), '', graph.vector('int64', rowsOfParts(slice), 'rows')]] : [],
  )

/**
 * Adds to a graph what saves its variables and gives them back, as `tf.compat.v1.train.Saver(sharded=True)` does: each device writes
 * its own variables (SaveV2), then one puts the parts together (MergeV2Checkpoints); parts of a table are saved as slices of the
 * whole. Values go between a server and its files only. The folder has to be one that all of the servers share.
 *
 * @param variables - those of the model, the optimizer's, the global step: `trainingGraph(…).variables`
 * @throws `Usage` where there are none
 */
export const addCheckpointOps = (graph: Graph, variables: readonly LoweredVariable[], options: CheckpointOpsOptions = {}): CheckpointOps => {
  const last = variables.at(-1)
  if (last === undefined) throw failure({ tag: 'Usage', code: 'CHECKPOINT_EMPTY', problem: 'the graph has no variables to save' })
  const home = options.device ?? last.device ?? ''
  const byDevice = new Map<string, LoweredVariable[]>()
  for (const variable of variables) {
    const device = variable.device ?? home
    byDevice.set(device, [...(byDevice.get(device) ?? []), variable])
  }
  if (!byDevice.has(home)) byDevice.set(home, [])
  const devices = [...byDevice]

  return graph.atRoot(() => graph.scope('checkpoint', () => graph.withDevice(home, () => {
    const [prefix, temporary] = [graph.placeholder('prefix', 'string', []), graph.placeholder('temporary', 'string', [])]
    const positions = graph.placeholder('positions', 'string', [null, 3])
    const parts = devices.map(([device, held], shard) => graph.withDevice(device, () => graph.scope('save', () => {
      const name = graph.one('ShardedFilename', [temporary, graph.scalar('int32', shard, 'shard'), graph.scalar('int32', devices.length, 'shards')])
      const values = held.map((variable): [string, string, Tensor] => [
        savedName(variable), sliceSpec(variable), graph.one('ReadVariableOp', [variable.handle], { dtype: variable.weight.dtype }),
      ])
      const beside: [string, string, Tensor][] = device === home ? [...layouts(graph, variables), [POSITIONS_TENSOR, '', positions]] : []
      return { name, node: saved(graph, name, [...values, ...beside]) }
    })))
    const written = parts.map(({ node }) => node)
    const names = graph.one('Pack', [parts.map(({ name }) => name)])
    return {
      variables,
      step: variables.find(({ weight }) => weight.name === 'global_step'),
      prefix,
      temporary,
      parts: devices.length,
      positions,
      shards: graph.add('NoOp', [], {}, { name: 'shards', control: written }),
      save: graph.add('MergeV2Checkpoints', [names, prefix], {}, { name: 'merge', control: written }),
      restores: variables.map((variable) => addRestore(graph, prefix, variable)),
      restoredPositions: restored(graph, prefix, POSITIONS_TENSOR, graph.scalar('string', '', 'slice'), 'string'),
      files: graph.scope('files', () => addServerFiles(graph)),
    }
  })))
}
