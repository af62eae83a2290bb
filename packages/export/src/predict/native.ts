import { failure, hasTag, localPath } from '@millrace/core'
import type { ModelSignature, OpenedSavedModel } from '../saved-model/read-saved-model.js'
import { dtypeNumber, readDtype, type DType } from '../tensor/dtypes.js'
import { numbersOf, numericTensor, stringsOf, type HostTensor } from '../tensor/host-tensor.js'
import { findNativeLibrary, firstLine, isLocal, type NativeBinding, type NativeLibrary, type NativeOutput } from './native-library.js'
import type { Runner } from './predictor.js'

export type NativeChoice = 'auto' | 'native' | 'javascript'

/** Types that the addon of tfjs-node takes. */
const taken: ReadonlySet<DType> = new Set<DType>(['float32', 'int32', 'int64', 'uint8', 'bool', 'string'])
/**
 * Types that it gives. Strings it gives too, but deleting such a tensor frees the texts of all that share its memory: where the
 * output is a constant of the graph, a list of labels say, the model answers with empty texts from then on.
 */
const given: ReadonlySet<DType> = new Set<DType>(['float32', 'int32', 'int64', 'bool'])

/** Says which input or output cannot pass through the addon, if one cannot. */
const obstacle = (signatures: { readonly [name: string]: ModelSignature }): string | undefined => {
  for (const [name, { inputs, outputs }] of Object.entries(signatures)) {
    for (const [kind, tensors, types] of [['input', inputs, taken], ['output', outputs, given]] as const) {
      for (const [key, { dtype }] of Object.entries(tensors)) if (!types.has(dtype)) return `the ${kind} "${key}" of the signature ${name} is ${dtype}`
    }
  }
  return undefined
}

/** The values are shared, not copied: they must stay as they are until the tensor is deleted. */
const createTensor = (binding: NativeBinding, name: string, value: HostTensor): number => {
  const dtype = dtypeNumber(value.dtype)
  if (value.dtype === 'string') {
    const { offsets, bytes } = stringsOf(value, name)
    const texts = Array.from({ length: offsets.length - 1 }, (_, i) => bytes.subarray(offsets[i]!, offsets[i + 1]!))
    return binding.createTensor(value.shape, dtype, texts)
  }
  const values = numbersOf(value, name)
  // The addon takes an int64 as two elements of an Int32Array, the low half first: the bytes of a BigInt64Array as they are.
  return binding.createTensor(value.shape, dtype, value.dtype === 'int64' ? new Int32Array(values.buffer, values.byteOffset, 2 * values.length) : values)
}

const readTensor = (binding: NativeBinding, name: string, { id, shape, dtype }: NativeOutput): HostTensor =>
  numericTensor(readDtype(dtype, `the output "${name}"`), shape, binding.tensorDataSync(id))

const runSignature = (binding: NativeBinding, model: number, signature: ModelSignature, feeds: ReadonlyMap<string, HostTensor>): ReadonlyMap<string, HostTensor> => {
  const names = Object.keys(signature.outputs)
  const ids: number[] = []
  try {
    for (const [key, value] of feeds) ids.push(createTensor(binding, key, value))
    const fed = [...feeds.keys()].map((key) => signature.inputs[key]!.tensor).join()
    const outputs = binding.runSavedModel(model, ids, fed, names.map((name) => signature.outputs[name]!.tensor).join())
    ids.push(...outputs.map(({ id }) => id))
    return new Map(names.map((name, i) => [name, readTensor(binding, name, outputs[i]!)]))
  } finally {
    for (const id of ids) binding.deleteTensor(id)
  }
}

const makeRunner = ({ binding, library }: NativeLibrary, contents: OpenedSavedModel, signatures: { readonly [name: string]: ModelSignature }): Runner => {
  let model: number
  try {
    model = binding.loadSavedModel(localPath(contents.url), contents.tags.join())
  } catch (cause) {
    throw failure({ tag: 'Model', code: 'NATIVE_LOAD_FAILED', problem: `TensorFlow ${binding.TF_Version} (${library}) does not load the model: ${firstLine(cause)}`, position: { source: contents.url }, cause })
  }
  return {
    runtime: { kind: 'native', library },
    run: (name, feeds) => {
      try {
        return Promise.resolve(runSignature(binding, model, signatures[name]!, feeds))
      } catch (cause) {
        return Promise.reject(failure({ tag: 'Model', code: 'NATIVE_RUN_FAILED', problem: `TensorFlow could not run the signature ${name}: ${firstLine(cause)}`, position: { source: contents.url }, cause }))
      }
    },
    dispose: () => binding.deleteSavedModel(model),
  }
}

/**
 * The model in TensorFlow's own library, where it is installed.
 *
 * @returns undefined under `auto` when no package is there or TensorFlow does not load the model
 * @throws `MissingPeer` and `Model` under `native`
 */
export const loadNative = async (contents: OpenedSavedModel, signatures: { readonly [name: string]: ModelSignature }, choice: NativeChoice): Promise<Runner | undefined> => {
  try {
    const unsupported = isLocal(contents.url) ? obstacle(signatures) : 'it is not in a local folder'
    if (unsupported !== undefined) {
      throw failure({ tag: 'Model', code: 'NOT_NATIVE', problem: `the model cannot run natively: ${unsupported}`, remedy: "Load it with { runtime: 'javascript' }.", position: { source: contents.url } })
    }
    return makeRunner(await findNativeLibrary(), contents, signatures)
  } catch (thrown) {
    if (choice === 'auto' && (hasTag(thrown, 'MissingPeer') || hasTag(thrown, 'Model'))) return undefined
    throw thrown
  }
}
