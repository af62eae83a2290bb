import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import { failure, fromUnknown, loadPeer } from '../errors/index.js'
import { job, type Job } from '../job/index.js'
import { loadTensorFlow, type TensorFlow } from './tensorflow.js'
import { registerWasmKernels } from './wasm-kernels/index.js'

/** What TensorFlow.js can compute on, in the order in which {@link chooseBackend} tries them. */
export type BackendName = 'tfjs-node-gpu' | 'tfjs-node' | 'wasm' | 'cpu'

/** Which backend was taken, and why. */
export interface BackendReport {
  readonly backend: BackendName
  /** For people: `WebAssembly (@tensorflow/tfjs-backend-wasm 4.22.0, SIMD, 1 thread)`, `TensorFlow 2.9.1 (@tensorflow/tfjs-node 4.22.0)`. */
  readonly description: string
  /** Version of the package that computes. */
  readonly version: string
  /** Backends that were tried before it, with what was wrong with each. */
  readonly notTaken: readonly { readonly backend: BackendName; readonly reason: string }[]
  /** Kernels that we added to the backend: gradients that it lacks, or is slow at. */
  readonly addedKernels: readonly string[]
}

type Taken = Omit<BackendReport, 'backend' | 'notTaken'>

const order: readonly BackendName[] = ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu']

/** What to choose among. */
export interface ChooseBackendOptions {
  /** Tried first. */
  readonly prefer?: BackendName | undefined
  /**
   * Keeps the backend that was chosen before, by `chooseBackend` or `tf.setBackend`. Plain JavaScript is what TensorFlow.js falls
   * back on by itself, so `tf.setBackend('cpu')` counts as a choice only where WebAssembly was there to choose; `prefer: 'cpu'`
   * always does. Default false.
   */
  readonly keep?: boolean | undefined
}

/** The last choice, and the name that TensorFlow.js has for it. */
let chosen: { readonly backend: BackendName; readonly active: string } | undefined

const chosenBefore = (tf: TensorFlow): BackendName | undefined => {
  const active = tf.getBackend()
  if (active === chosen?.active) return chosen.backend
  if (active === 'wasm') return 'wasm'
  return active === 'cpu' && tf.findBackendFactory('wasm') !== null ? 'cpu' : undefined
}

/**
 * Chooses the best backend there is for TensorFlow.js in this process: libtensorflow by `@tensorflow/tfjs-node-gpu` or
 * `@tensorflow/tfjs-node` where they are installed and load, else WebAssembly (with the gradient kernels that it lacks), else
 * plain JavaScript. Nothing is fetched. Running it again is cheap.
 *
 * libtensorflow is the faster the more arithmetic there is in an op, and WebAssembly the cheaper to call: for a model of a few
 * thousand weights in small batches, `prefer: 'wasm'` takes half the time (docs/design/0008-tfjs-node.md has figures).
 *
 * @throws `MissingPeer` when `@tensorflow/tfjs` is not installed
 */
export const chooseBackend = (options: ChooseBackendOptions = {}): Job<BackendReport> =>
  job(async () => {
    const tf = await loadTensorFlow('chooseBackend')
    const prefer = options.prefer ?? (options.keep === true ? chosenBefore(tf) : undefined)
    const notTaken: { backend: BackendName; reason: string }[] = []
    for (const backend of prefer === undefined ? order : [prefer, ...order.filter((name) => name !== prefer)]) {
      try {
        const taken = await take[backend](tf)
        chosen = { backend, active: tf.getBackend() }
        return { backend, notTaken, ...taken }
      } catch (thrown) {
        notTaken.push({ backend, reason: reasonOf(thrown) })
      }
    }
    throw failure({ tag: 'Engine', code: 'NO_BACKEND', problem: `no TensorFlow.js backend could be used: ${notTaken.map(({ backend, reason }) => `${backend}: ${reason}`).join('; ')}` })
  })

const reasonOf = (thrown: unknown): string => {
  const error = fromUnknown(thrown)
  if (error.code === 'MISSING_PEER') return 'not installed'
  return error.problem.split('\n')[0]!
}

const use = async (tf: TensorFlow, backend: string): Promise<void> => {
  if (!(await tf.setBackend(backend))) throw failure({ tag: 'Engine', code: 'BACKEND_FAILED', problem: `the backend "${backend}" did not start` })
  await tf.ready()
}

/** What is used of `tfjs-node`. */
interface NativePackage {
  readonly version?: { readonly 'tfjs-node'?: string }
}
interface NativeBackend {
  readonly binding?: { readonly TF_Version?: string }
  /** Whether libtensorflow found a GPU. */
  readonly isUsingGpuDevice?: boolean
}

const native = (name: '@tensorflow/tfjs-node' | '@tensorflow/tfjs-node-gpu') => async (tf: TensorFlow): Promise<Taken> => {
  // By a variable, since the package need not be there when this file is compiled or bundled.
  const specifier: string = name
  const module = await loadPeer(name, 'chooseBackend', () => import(/* @vite-ignore */ specifier) as Promise<NativePackage>)
  await use(tf, 'tensorflow')
  const { binding, isUsingGpuDevice } = tf.backend() as NativeBackend
  // It loads on Node 23 and later, and then lacks functions of Node that its ops call.
  try {
    tf.tidy(() => tf.sum(tf.relu(tf.tensor1d([1, 2]))).dataSync())
  } catch (cause) {
    throw failure({ tag: 'Engine', code: 'BACKEND_FAILED', problem: `it loads, but does not compute on Node ${process.version}: ${fromUnknown(cause).problem}`, cause })
  }
  const version = module.version?.['tfjs-node'] ?? tf.version_core
  const devices = isUsingGpuDevice === true ? ', GPU' : name.endsWith('-gpu') ? ', no GPU found' : ''
  return { version, description: `TensorFlow ${binding?.TF_Version ?? ''} (${name} ${version}${devices})`, addedKernels: [] }
}

const wasm = async (tf: TensorFlow): Promise<Taken> => {
  const module = await loadPeer('@tensorflow/tfjs-backend-wasm', 'chooseBackend', () => import('@tensorflow/tfjs-backend-wasm'))
  if (tf.getBackend() !== 'wasm') {
    // The .wasm files lie beside the package's main module; Node reads them from there.
    module.setWasmPaths(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep)
    await use(tf, 'wasm')
  }
  const simd = (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) === true
  const threads = module.getThreadsCount()
  const version = module.version_wasm
  return {
    version,
    description: `WebAssembly (@tensorflow/tfjs-backend-wasm ${version}${simd ? ', SIMD' : ''}, ${threads} thread${threads === 1 ? '' : 's'})`,
    addedKernels: registerWasmKernels(tf),
  }
}

const cpu = async (tf: TensorFlow): Promise<Taken> => {
  await use(tf, 'cpu')
  return { version: tf.version_core, description: `plain JavaScript (@tensorflow/tfjs ${tf.version_core}): slow`, addedKernels: [] }
}

const take: Record<BackendName, (tf: TensorFlow) => Promise<Taken>> = {
  'tfjs-node-gpu': native('@tensorflow/tfjs-node-gpu'),
  'tfjs-node': native('@tensorflow/tfjs-node'),
  wasm,
  cpu,
}
