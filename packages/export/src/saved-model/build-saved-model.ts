import { graphToProto } from '../graph/graph-to-proto.js'
import type { Graph, GraphNode } from '../graph/index.js'
import type { Lowered, LoweredEntry, LoweredTable, LoweredVariable } from '../lower/index.js'
import { tensorflow, toInt64 } from '../proto/index.js'
import { addSaver, type AddedSaver } from './add-saver.js'
import { encodeSignature, tensorInfo, type SignatureName } from './signatures.js'

/** Adds the node that fills all lookup tables; `undefined` where there are none. */
export const addInitializer = (graph: Graph, tables: readonly LoweredTable[]): GraphNode | undefined =>
  tables.length === 0 ? undefined : graph.add('NoOp', [], {}, { name: 'initialize_tables', control: tables.map(({ initializer }) => initializer) })

/**
 * The variables as TensorFlow's Python lists them: what `tf.saved_model.load` shows as the model's variables, and what
 * `tf.compat.v1.train.Saver` saves. Predicting needs neither.
 */
const variableCollection = (variables: readonly LoweredVariable[], restores: AddedSaver['restores']): tensorflow.CollectionDef.$Properties => ({
  bytesList: {
    value: variables.map((variable) =>
      tensorflow.VariableDef.encode({
        variableName: variable.handle.name,
        // A variable's initializer has to be a node of the graph; what gives ours their values is the checkpoint.
        initializerName: restores.get(variable) as string,
        snapshotName: variable.value.name,
        isResource: true,
        trainable: variable.weight.trainable,
      }).finish(),
    ),
  },
})

/**
 * The message of `saved_model.pb` for a lowered model, in the form that TensorFlow 1 writes and every loader reads: the C++
 * loader (TensorFlow Serving, libtensorflow), `tf.saved_model.load` and `tf.compat.v1.saved_model.load`.
 *
 * It adds the nodes that restore variables and fill tables to the lowered graph.
 */
export const buildSavedModel = (
  lowered: Lowered,
  signatures: Readonly<Partial<Record<SignatureName, LoweredEntry>>>,
): tensorflow.SavedModel.$Properties => {
  const { graph, variables, tables } = lowered
  const initializer = addInitializer(graph, tables)
  const saver = variables.length === 0 ? undefined : addSaver(graph, variables)

  const collections: Record<string, tensorflow.CollectionDef.$Properties> = {}
  const signatureDefs: Record<string, tensorflow.SignatureDef.$Properties> = {}
  for (const [name, entry] of Object.entries(signatures)) signatureDefs[name] = encodeSignature(entry)

  const assets = tables.flatMap(({ asset }) => (asset === undefined ? [] : [{ tensorInfo: tensorInfo(asset.tensor), filename: asset.fileName }]))
  if (assets.length > 0) {
    const packed = assets.map((asset) => ({ type_url: 'type.googleapis.com/tensorflow.AssetFileDef', value: tensorflow.AssetFileDef.encode(asset).finish() }))
    collections['saved_model_assets'] = { anyList: { value: packed } }
  }
  // The signature `__saved_model_init_op` would do as well, but tf.saved_model.load shows it among the signatures.
  if (initializer !== undefined) {
    collections['saved_model_main_op'] = { nodeList: { value: [initializer.name] } }
  }
  if (saver !== undefined) {
    const trainable = variables.filter(({ weight }) => weight.trainable)
    collections['variables'] = variableCollection(variables, saver.restores)
    collections['trainable_variables'] = variableCollection(trainable, saver.restores)
  }

  return {
    savedModelSchemaVersion: toInt64(1),
    metaGraphs: [
      {
        metaInfoDef: { tags: ['serve'], strippedDefaultAttrs: true },
        graphDef: graphToProto(graph.nodes),
        ...(saver === undefined ? {} : { saverDef: saver.saver }),
        collectionDef: collections,
        signatureDef: signatureDefs,
        assetFileDef: assets,
      },
    ],
  }
}
