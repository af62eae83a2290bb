import { failure, fromUnknown, hasTag, job, readWhole, type Job } from '@millrace/core'
import { openCheckpoint, type Checkpoint } from '../checkpoint/read-checkpoint.js'
import { int64ToNumber, tensorflow } from '../proto/index.js'
import { readDtype, type DType } from '../tensor/dtypes.js'

/** protobuf's own limit for one message. */
const MAX_MODEL_BYTES = 2 ** 31 - 1

/** One input or output of a signature. */
export interface ModelTensor {
  readonly dtype: DType
  /** Sizes, -1 where one is not fixed (the batch); `undefined` when not even the rank is known. */
  readonly shape: readonly number[] | undefined
  /** Its tensor in the graph: `name:0`. */
  readonly tensor: string
}

/** A way in which a model can be asked. */
export interface ModelSignature {
  /** `tensorflow/serving/predict`, as a rule. */
  readonly methodName: string
  readonly inputs: { readonly [name: string]: ModelTensor }
  readonly outputs: { readonly [name: string]: ModelTensor }
}

/** A file that belongs to a model: a vocabulary, as a rule. */
export interface ModelAsset {
  /** Name of the file in the folder `assets`. */
  readonly filename: string
  readonly url: string
  /** The graph's constant that holds the file's path. */
  readonly tensor: string
}

/** One node of a model's graph, as written. */
export interface ModelNode {
  readonly name: string
  readonly op: string
  /** As GraphDef has them: `node`, `node:1`, `^control`. */
  readonly inputs: readonly string[]
  readonly device: string
}

/** A model's graph, as written. */
export interface ModelGraph {
  readonly nodes: readonly ModelNode[]
  /** Names of the functions in its library. */
  readonly functions: readonly string[]
  /** The bytes of the GraphDef, for `tf.compat.v1.import_graph_def`. */
  encode(): Uint8Array
}

/** What a SavedModel holds, as read; nothing is interpreted yet. */
export interface SavedModelContents {
  readonly url: string
  readonly tags: readonly string[]
  /** Version of the TensorFlow that wrote it, where it says. */
  readonly tensorflowVersion: string | undefined
  readonly graph: ModelGraph
  readonly signatures: { readonly [name: string]: ModelSignature }
  readonly assets: readonly ModelAsset[]
  /** Node that initialises tables. */
  readonly initOp: string | undefined
  /** Node that restores the variables. */
  readonly restoreOp: string | undefined
  /** The variables; absent in a model that has none. */
  readonly checkpoint: Checkpoint | undefined
}

/** Options of {@link readSavedModel}. */
export interface ReadSavedModelOptions {
  /** Tags of the graph to read. Default `['serve']`. */
  readonly tags?: readonly string[] | undefined
}

const shapeOf = (shape: tensorflow.ITensorShapeProto | null | undefined): readonly number[] | undefined =>
  shape === null || shape === undefined || shape.unknownRank === true ? undefined : (shape.dim ?? []).map((dim) => int64ToNumber(dim.size))

const tensorsOf = (infos: { readonly [name: string]: tensorflow.ITensorInfo } | null | undefined, use: string): { readonly [name: string]: ModelTensor } =>
  Object.fromEntries(Object.entries(infos ?? {}).map(([name, info]) => {
    if ((info.name ?? '') === '') {
      throw failure({ tag: 'Model', code: 'UNSUPPORTED_SIGNATURE', problem: `"${name}" of ${use} is not a dense tensor` })
    }
    return [name, { dtype: readDtype(info.dtype, `"${name}" of ${use}`), shape: shapeOf(info.tensorShape), tensor: info.name! }]
  }))

const initSignature = '__saved_model_init_op'

/** The signatures that people call. @throws `Model` for one of sparse tensors */
export const signaturesOf = (meta: tensorflow.IMetaGraphDef): { readonly [name: string]: ModelSignature } =>
  Object.fromEntries(Object.entries(meta.signatureDef ?? {})
    .filter(([name]) => name !== initSignature && !name.startsWith('__saved_model_'))
    .map(([name, { methodName, inputs, outputs }]) => {
      const use = `the signature ${name}`
      return [name, { methodName: methodName ?? '', inputs: tensorsOf(inputs, use), outputs: tensorsOf(outputs, use) }]
    }))

const nodeName = (tensor: string | undefined): string | undefined => (tensor === undefined || tensor === '' ? undefined : tensor.replace(/:\d+$/, ''))

/** Looked for in the order of TensorFlow's loader (`cc/saved_model/loader_util.cc`). */
const findInitOp = (meta: tensorflow.IMetaGraphDef): string | undefined => {
  const signature = meta.signatureDef?.[initSignature]?.outputs?.[initSignature]?.name
  const collection = (name: string): string | undefined => meta.collectionDef?.[name]?.nodeList?.value?.[0]
  return nodeName(signature ?? collection('saved_model_main_op') ?? collection('legacy_init_op') ?? undefined)
}

/** Asset files must lie in the model's own folder: a model from elsewhere must not name files of this machine. */
const assetUrl = (url: string, filename: string): string => {
  const parts = filename.split('/')
  const safe = filename !== '' && !filename.includes('\\') && !filename.includes('\0') && parts.every((part) => part !== '' && part !== '.' && part !== '..')
  if (safe) return `${url}/assets/${filename}`
  throw failure({
    tag: 'Model',
    code: 'ASSET_OUTSIDE',
    problem: `the model names the asset file ${JSON.stringify(filename)}, which does not lie in its folder of assets`,
    remedy: 'Do not load it: no TensorFlow writes such a path.',
    position: { source: url },
  })
}

const assetsOf = (meta: tensorflow.IMetaGraphDef, url: string): ModelAsset[] => {
  const defs = [...(meta.assetFileDef ?? [])]
  if (defs.length === 0) {
    // Models of TensorFlow 1 may name them in a collection only.
    for (const any of meta.collectionDef?.['saved_model_assets']?.anyList?.value ?? []) {
      if (any.value !== null && any.value !== undefined) defs.push(tensorflow.AssetFileDef.decode(any.value))
    }
  }
  return defs.map((def) => ({ filename: def.filename ?? '', url: assetUrl(url, def.filename ?? ''), tensor: def.tensorInfo?.name ?? '' }))
}

const decodeModel = (bytes: Uint8Array, source: string): tensorflow.SavedModel => {
  try {
    return tensorflow.SavedModel.decode(bytes)
  } catch (cause) {
    throw failure({ tag: 'Corrupt', code: 'SAVED_MODEL', problem: 'the file is not a SavedModel, or it is damaged', remedy: 'Copy the model again, with all of its files.', position: { source }, cause })
  }
}

const pickGraph = (model: tensorflow.SavedModel, tags: readonly string[], source: string): tensorflow.IMetaGraphDef => {
  const graphs = model.metaGraphs ?? []
  const tagsOf = (graph: tensorflow.IMetaGraphDef): readonly string[] => graph.metaInfoDef?.tags ?? []
  const found = graphs.find((graph) => tagsOf(graph).length === tags.length && tags.every((tag) => tagsOf(graph).includes(tag)))
  if (found !== undefined) return found
  throw failure({
    tag: 'Model',
    code: 'NO_SUCH_TAGS',
    problem: `the model has no graph with the tags [${tags.join(', ')}]`,
    remedy: graphs.length === 0 ? 'The file holds no graphs at all.' : `It has: ${graphs.map((graph) => `[${tagsOf(graph).join(', ')}]`).join(', ')}.`,
    position: { source },
  })
}

const openVariables = async (url: string, signal: AbortSignal | undefined): Promise<Checkpoint | undefined> => {
  try {
    return await openCheckpoint(`${url}/variables/variables`, signal)
  } catch (thrown) {
    // A model without variables has no such folder; one that needs a variable says so when it is frozen.
    if (hasTag(thrown, 'NotFound')) return undefined
    throw thrown
  }
}

/** {@link SavedModelContents} with TensorFlow's message of the graph, whose types stay within this package. */
export interface OpenedSavedModel extends Omit<SavedModelContents, 'graph'> {
  readonly graphDef: tensorflow.IGraphDef
}

/** {@link readSavedModel} for other jobs. */
export const openSavedModel = async (folder: string, options: ReadSavedModelOptions, signal: AbortSignal | undefined): Promise<OpenedSavedModel> => {
  const url = folder.replace(/\/+$/, '')
  const source = `${url}/saved_model.pb`
  const model = decodeModel(await readWhole(source, { limitBytes: MAX_MODEL_BYTES, signal }), source)
  const meta = pickGraph(model, options.tags ?? ['serve'], source)
  try {
    return {
      url,
      tags: meta.metaInfoDef?.tags ?? [],
      tensorflowVersion: meta.metaInfoDef?.tensorflowVersion || undefined,
      graphDef: meta.graphDef ?? {},
      signatures: signaturesOf(meta),
      assets: assetsOf(meta, url),
      initOp: findInitOp(meta),
      restoreOp: nodeName(meta.saverDef?.restoreOpName ?? undefined),
      checkpoint: await openVariables(url, signal),
    }
  } catch (thrown) {
    throw fromUnknown(thrown, { source })
  }
}

/**
 * Reads a SavedModel: its graph, signatures, assets and variables' index, of any TensorFlow from 1 to 2. Values of variables are
 * read when they are asked for.
 *
 * @param url - the folder that holds `saved_model.pb`
 * @throws `NotFound`, `Corrupt`, `Model` for a graph that is not there or an asset outside the folder
 */
export const readSavedModel = (url: string, options: ReadSavedModelOptions = {}): Job<SavedModelContents> =>
  job(async ({ signal }) => {
    const { graphDef, ...contents } = await openSavedModel(url, options, signal)
    return { ...contents, graph: modelGraph(graphDef) }
  })

const modelGraph = (graphDef: tensorflow.IGraphDef): ModelGraph => ({
  nodes: (graphDef.node ?? []).map(({ name, op, input, device }) => ({ name: name ?? '', op: op ?? '', inputs: input ?? [], device: device ?? '' })),
  functions: (graphDef.library?.function ?? []).map(({ signature }) => signature?.name ?? ''),
  encode: () => tensorflow.GraphDef.encode(graphDef as tensorflow.GraphDef.$Properties).finish(),
})
