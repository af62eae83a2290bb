import { failure, job, type Job } from '@millrace/core'
import { openSavedModel, type ModelSignature } from '../saved-model/read-saved-model.js'
import { loadGraph } from './load-graph.js'
import { loadNative, type NativeChoice } from './native.js'
import { makePredictor, type Predictor } from './predictor.js'

/** Options of {@link loadSavedModel}. */
export interface LoadSavedModelOptions {
  /** Tags of the graph. Default `['serve']`. */
  readonly tags?: readonly string[] | undefined
  /** Signatures to load. Default: all. */
  readonly signatures?: readonly string[] | undefined
  /**
   * What runs the model: `native` is TensorFlow's own library through `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node`;
   * `javascript` our kernels and TensorFlow.js, on the backend that is active. Default `auto`: native where one of the packages
   * is installed and TensorFlow loads the model, which must be in a local folder, take float32, int32, int64, uint8, bool or
   * strings, and give float32, int32, int64 or bool.
   */
  readonly runtime?: 'auto' | 'javascript' | 'native' | undefined
}

const chosen = (all: { readonly [name: string]: ModelSignature }, wanted: readonly string[] | undefined): { readonly [name: string]: ModelSignature } => {
  if (wanted === undefined) return all
  return Object.fromEntries(wanted.map((name) => {
    const found = all[name]
    if (found === undefined) throw failure({ tag: 'Usage', code: 'NO_SUCH_SIGNATURE', problem: `the model has no signature ${name}`, remedy: `It has: ${Object.keys(all).join(', ')}.` })
    return [name, found]
  }))
}

/**
 * Loads a SavedModel to answer in this process: one that Millrace exported, or that TensorFlow or Keras wrote.
 *
 * @param url - the folder that holds `saved_model.pb`
 * @throws `NotFound`, `Corrupt`; `Model` that names every op that nothing here can run; under `native`, `MissingPeer`, and `Model` for
 *   what TensorFlow does not load
 * @example
 * const predictor = await run(loadSavedModel('out/model/1'))
 * const { probability } = await run(predictor.predict({ origin: ['SFO'], distance: [337] }))
 */
export const loadSavedModel = (url: string, options: LoadSavedModelOptions = {}): Job<Predictor> => job(async ({ signal }) => {
  const contents = await openSavedModel(url, { tags: options.tags }, signal)
  const signatures = chosen(contents.signatures, options.signatures)
  if (Object.keys(signatures).length === 0) {
    throw failure({ tag: 'Model', code: 'NO_SIGNATURES', problem: 'the model has no signature, so there is nothing to ask it', remedy: 'Export it with signatures.', position: { source: url } })
  }
  const runtime: NativeChoice = options.runtime ?? 'auto'
  const native = runtime === 'javascript' ? undefined : await loadNative(contents, signatures, runtime)
  if (native !== undefined) return makePredictor(native, signatures)
  const program = await loadGraph({
    graph: contents.graphDef,
    signatures,
    keep: [contents.initOp, contents.restoreOp].filter((name) => name !== undefined),
    assets: contents.assets,
    checkpoint: contents.checkpoint,
  }, signal)
  return makePredictor({ runtime: { kind: 'javascript', backend: program.backend, nodes: program.nodes }, run: program.run, dispose: program.dispose }, signatures)
})
