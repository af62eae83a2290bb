import { failure, job, localPath, type Job } from '@millrace/core'
import { tensorflow } from '../../proto/index.js'
import { signaturesOf, type ModelSignature } from '../../saved-model/read-saved-model.js'
import type { HostTensor } from '../../tensor/host-tensor.js'
import type { FeedValue } from '../feed-value.js'
import { inputsOf } from '../graph-inputs.js'
import { sessionOf, type CallOptions, type Session } from '../session.js'
import { loadLibrary, offLoop, type Address, type TensorFlowLibrary } from './bindings.js'
import { drop, hold, withStatusAsync } from './held.js'
import { NativeEngine } from './native-engine.js'
import { NativeGraph } from './native-graph.js'
import { withSessionOptions, type NativeOptions } from './native-session.js'

/** A model to load. */
export interface NativeSavedModelOptions extends NativeOptions {
  /** Tags of the graph. Default `['serve']`. */
  readonly tags?: readonly string[] | undefined
}

/** A SavedModel in libtensorflow: its variables restored, its tables filled. */
export interface NativeSavedModel {
  /** Its graph, for steps beside the signatures. */
  readonly session: Session
  readonly signatures: { readonly [name: string]: ModelSignature }
  /**
   * Asks the model.
   *
   * @param inputs - by the names of the signature
   * @param signature - default `serving_default`
   * @throws `Usage` for a signature or an input that it has not
   */
  call(inputs: { readonly [name: string]: FeedValue }, signature?: string, options?: CallOptions): Promise<{ readonly [name: string]: HostTensor }>
  /** Frees it. */
  close(): Promise<void>
}

/** Copies a `TF_Buffer`, whose first two fields are an address and a length (`tensorflow/c/tf_buffer.h`). */
const readBuffer = (library: TensorFlowLibrary, buffer: Address): Uint8Array => {
  const fields = new BigUint64Array(2)
  library.memcpy(fields, buffer, fields.byteLength)
  const bytes = new Uint8Array(Number(fields[1]))
  if (bytes.length > 0) library.memcpy(bytes, fields[0]!, bytes.length)
  return bytes
}

const unknown = (kind: string, name: string, known: readonly string[]): Error =>
  failure({ tag: 'Usage', code: 'UNKNOWN_SIGNATURE', problem: `the model has no ${kind} "${name}"`, remedy: `It has: ${known.join(', ') || 'none'}.` })

const modelOf = (session: Session, signatures: NativeSavedModel['signatures']): NativeSavedModel => ({
  session,
  signatures,
  call: async (inputs, name = 'serving_default', options = {}) => {
    const signature = signatures[name]
    if (signature === undefined) throw unknown('signature', name, Object.keys(signatures))
    const feeds = Object.entries(inputs).map(([input, value]) => {
      const info = signature.inputs[input]
      if (info === undefined) throw unknown('input', input, Object.keys(signature.inputs))
      return [info.tensor, value] as const
    })
    const fetches = Object.fromEntries(Object.entries(signature.outputs).map(([output, { tensor }]) => [output, tensor]))
    return session.run({ feeds, fetches }, options)
  },
  close: () => session.close(),
})

/**
 * Loads a SavedModel into libtensorflow (`TF_LoadSessionFromSavedModel`), with every op that TensorFlow has.
 *
 * @param folder - on this machine
 * @throws `MissingPeer` without libtensorflow or koffi, `Engine` for what is no model or has no such tags
 */
export const loadNativeSavedModel = (folder: string, options: NativeSavedModelOptions = {}): Job<NativeSavedModel> => job(async () => {
  const library = await loadLibrary(options.library)
  const path = localPath(folder)
  const graph = new NativeGraph(library)
  const meta = hold('buffers', library.TF_NewBuffer())
  try {
    const tags = [...(options.tags ?? ['serve'])]
    const session = await withSessionOptions(library, options, '', (address) =>
      withStatusAsync(library, (status) => offLoop(library.TF_LoadSessionFromSavedModel, address, null, path, tags, tags.length, graph.address, meta, status), path))
    const engine = new NativeEngine(library, graph, session!, { target: '', blocking: options.blocking })
    try {
      const proto = tensorflow.MetaGraphDef.decode(readBuffer(library, meta))
      graph.inputs.addKnown(inputsOf(proto.graphDef?.node ?? []))
      return modelOf(sessionOf(engine, options.timeoutMs), signaturesOf(proto))
    } catch (thrown) {
      await engine.close()
      throw thrown
    }
  } catch (thrown) {
    graph.free()
    throw thrown
  } finally {
    library.TF_DeleteBuffer(meta)
    drop('buffers')
  }
})
