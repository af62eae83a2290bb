import { tensorValue, type Graph, type Tensor } from '../graph/index.js'
import type { LoweredVariable } from '../lower/index.js'
import { tensorflow } from '../proto/index.js'

/** The nodes that save and restore a graph's variables, and how TensorFlow finds them. */
export interface AddedSaver {
  readonly saver: tensorflow.SaverDef.$Properties
  /** For each variable, the node that restores it. */
  readonly restores: ReadonlyMap<LoweredVariable, string>
}

/**
 * Adds what `tf.compat.v1.train.Saver` adds to a graph: SaveV2 and RestoreV2 of every variable under its name, fed with the
 * checkpoint's prefix (`tensorflow/python/training/saver.py`).
 */
export const addSaver = (graph: Graph, variables: readonly LoweredVariable[]): AddedSaver =>
  graph.scope('save', () => {
    const fallback = graph.scalar('string', 'model', 'filename')
    const prefix = graph.one('PlaceholderWithDefault', [fallback], { shape: [] }, { name: 'Const' })
    const names = graph.vector('string', variables.map(({ weight }) => weight.name), 'tensor_names')
    const slices = graph.constant(tensorValue('string', [variables.length], variables.map(() => '')), 'shape_and_slices')
    const values = variables.map(({ handle, weight }): Tensor => graph.one('ReadVariableOp', [handle], { dtype: weight.dtype }))
    const save = graph.add('SaveV2', [prefix, names, slices, values], {}, { name: 'SaveV2' })
    const saved = graph.one('Identity', [prefix], {}, { name: 'control_dependency', control: [save] })
    const restored = graph.add('RestoreV2', [prefix, names, slices], { dtypes: variables.map(({ weight }) => weight.dtype) }, { name: 'RestoreV2' })
    const assigns = variables.map(({ handle, device }, index) =>
      graph.add('AssignVariableOp', [handle, restored.outputs[index] as Tensor], {}, { device }),
    )
    const all = graph.add('NoOp', [], {}, { name: 'restore_all', control: assigns })
    return {
      saver: {
        filenameTensorName: prefix.name,
        saveTensorName: saved.name,
        restoreOpName: all.name,
        maxToKeep: 1,
        version: tensorflow.SaverDef.CheckpointFormatVersion.V2,
      },
      restores: new Map(variables.map((variable, index) => [variable, assigns[index]?.name as string])),
    }
  })
