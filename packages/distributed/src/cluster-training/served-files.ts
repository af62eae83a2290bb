import { failure, run, throwIfAborted, type MillraceError } from '@millrace/core'
import { describeModel } from '@millrace/export'
import { findServerShards, type DescribedShards, type ServerShards } from '../input/index.js'
import { remoteSession } from '../session/index.js'
import type { ClusterModel, ClusterTrainingOptions } from './options.js'
import { DEFAULT_TIMEOUT_MS, faultOf } from './recovery.js'
import { deviceOf, type Trainer } from './roles.js'
import { sleep } from './sleep.js'
import { optionsOfGraph } from './worker-graph.js'

/** How often a server that does not listen yet is asked again. */
const POLL_MS = 250

/**
 * Options with what the manifests of the files say, where the worker's server sees them: their compression, and the dtype of labels. As
 * they are for other data, and for files without a manifest.
 *
 * @throws `Schema` for shards whose rows are not what the graph takes, `Storage` when there are no files
 */
export const describeServed = async (model: ClusterModel, options: ClusterTrainingOptions, trainer: Trainer, signal: AbortSignal | undefined): Promise<ClusterTrainingOptions> => {
  const { data } = options
  if (typeof data !== 'object' || !('files' in data)) return options
  const files = typeof data.files === 'string' ? [data.files] : data.files
  // The source says it.
  if (files.length === 0) return options
  const { described } = await find(files, options, trainer, signal)
  if (described === undefined) return options
  checkShards(described, options, describeModel(model).inputs.map(({ name }) => name), files[0]!)
  return { ...options, data: { ...data, compression: described.compression }, labelDType: options.labelDType ?? labelDTypeOf(described, optionsOfGraph(model, options)) }
}

/** Until the server listens, or for as long as a recovery may take. */
const find = async (files: readonly string[], { recovery = {} }: ClusterTrainingOptions, { target, task }: Trainer, signal: AbortSignal | undefined): Promise<ServerShards> => {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, stepTimeoutMs } = recovery
  const end = performance.now() + timeoutMs
  for (;;) {
    try {
      return await run(findServerShards((graph) => remoteSession({ target, graph, config: { deviceFilters: [deviceOf(task)] }, timeoutMs: stepTimeoutMs }), files), { signal })
    } catch (thrown) {
      throwIfAborted(signal)
      if (faultOf(thrown) === undefined || performance.now() > end) throw thrown
      await sleep(POLL_MS, signal)
    }
  }
}

/** Sees that rows are what the graph takes: raw columns with features, else the model's inputs. @throws `Schema` */
export const checkShards = ({ holds, compression, columns }: DescribedShards, { inputs, data }: Pick<ClusterTrainingOptions, 'inputs' | 'data'>, modelInputs: readonly string[], source: string): void => {
  const bad = (code: string, problem: string, remedy: string): MillraceError => failure({ tag: 'Schema', code, problem, remedy, position: { source } })
  if (holds === 'transformed' && inputs !== undefined) {
    throw bad('SHARDS_TRANSFORMED', 'the shards hold rows that features have transformed, and inputs would transform them again', 'Leave inputs out, or give shards of raw columns.')
  }
  const missing = modelInputs.filter((name) => !Object.hasOwn(columns, name))
  if (holds === 'raw' && inputs === undefined && missing.length > 0) {
    throw bad('SHARDS_RAW', `the shards hold raw columns, and none for the model's input ${missing.map((name) => `"${name}"`).join(', ')}`, 'Give the fitted features as inputs, or shards of the rows that they make.')
  }
  const given = typeof data === 'object' && 'files' in data ? data.compression : undefined
  if (given !== undefined && given !== compression) throw bad('SHARDS_PACKED', `the shards are packed with compression ${compression}, not ${given}`, 'Leave data.compression out.')
}

const WHOLE = /^(u?int\d+|bool)$/

/** Dtype of labels that are columns as they are; `undefined` where the default fits. */
export const labelDTypeOf = ({ columns }: Pick<DescribedShards, 'columns'>, { label, loss, inputs }: Pick<ReturnType<typeof optionsOfGraph>, 'label' | 'loss' | 'inputs'>): ClusterTrainingOptions['labelDType'] => {
  const names = typeof label === 'object' ? Object.values(label) : label === undefined ? [] : [label]
  const kinds = names.filter((name) => inputs?.features[name]?.role !== 'label').map((name) => columns[name]?.kind ?? '')
  const countsClasses = loss === 'sparseCategoricalCrossentropy'
  if (kinds.length === 0 || typeof loss === 'object') return undefined
  // Classes that are counted are whole numbers without it.
  if (!countsClasses && kinds.every((kind) => WHOLE.test(kind))) return 'int64'
  return countsClasses && kinds.every((kind) => kind.startsWith('float')) ? 'float32' : undefined
}
