import { failure, loadPeer } from '@millrace/core'
import { findLibrary } from './find-library.js'

/** An address in memory that C manages. */
export type Address = bigint

/**
 * What C may be given: an address, or memory of ours. Memory of ours stays where it is while a call runs, asynchronous ones
 * included, if whoever calls keeps a reference.
 */
export type Pointer = Address | ArrayBufferView | null

/** A call that may also run on a thread of libuv's pool. */
export interface Binding<A extends readonly unknown[], R> {
  (...args: A): R
  async(...args: [...A, (error: Error | null, result: R) => void]): void
}

/**
 * The calls that are used of `tensorflow/c/c_api.h` and `tf_tensor.h`, and two of the C library. Pointers are declared as `void *`:
 * which kind goes where is up to the modules of this folder, and nothing else sees them.
 */
const declarations = {
  TF_Version: 'const char *TF_Version()',
  TF_NewStatus: 'void *TF_NewStatus()',
  TF_DeleteStatus: 'void TF_DeleteStatus(void *status)',
  TF_GetCode: 'int TF_GetCode(void *status)',
  TF_Message: 'const char *TF_Message(void *status)',
  TF_NewBufferFromString: 'void *TF_NewBufferFromString(void *proto, size_t length)',
  TF_NewBuffer: 'void *TF_NewBuffer()',
  TF_DeleteBuffer: 'void TF_DeleteBuffer(void *buffer)',
  TF_NewGraph: 'void *TF_NewGraph()',
  TF_DeleteGraph: 'void TF_DeleteGraph(void *graph)',
  TF_NewImportGraphDefOptions: 'void *TF_NewImportGraphDefOptions()',
  TF_DeleteImportGraphDefOptions: 'void TF_DeleteImportGraphDefOptions(void *options)',
  TF_ImportGraphDefOptionsAddInputMapping: 'void TF_ImportGraphDefOptionsAddInputMapping(void *options, str name, int index, MillraceOutput to)',
  TF_ImportGraphDefOptionsRemapControlDependency: 'void TF_ImportGraphDefOptionsRemapControlDependency(void *options, str name, void *to)',
  TF_GraphImportGraphDef: 'void TF_GraphImportGraphDef(void *graph, void *def, void *options, void *status)',
  TF_GraphOperationByName: 'void *TF_GraphOperationByName(void *graph, str name)',
  TF_OperationNumOutputs: 'int TF_OperationNumOutputs(void *operation)',
  TF_NewSessionOptions: 'void *TF_NewSessionOptions()',
  TF_DeleteSessionOptions: 'void TF_DeleteSessionOptions(void *options)',
  TF_SetTarget: 'void TF_SetTarget(void *options, str target)',
  TF_SetConfig: 'void TF_SetConfig(void *options, void *proto, size_t length, void *status)',
  TF_NewSession: 'void *TF_NewSession(void *graph, void *options, void *status)',
  TF_LoadSessionFromSavedModel: 'void *TF_LoadSessionFromSavedModel(void *options, void *runOptions, str folder, str *tags, int count, void *graph, void *meta, void *status)',
  TF_CloseSession: 'void TF_CloseSession(void *session, void *status)',
  TF_DeleteSession: 'void TF_DeleteSession(void *session, void *status)',
  TF_SessionRun:
    'void TF_SessionRun(void *session, void *runOptions, void *inputs, void *inputValues, int inputCount, void *outputs, void *outputValues, int outputCount, void *targets, int targetCount, void *metadata, void *status)',
  TF_SessionListDevices: 'void *TF_SessionListDevices(void *session, void *status)',
  TF_DeleteDeviceList: 'void TF_DeleteDeviceList(void *list)',
  TF_DeviceListCount: 'int TF_DeviceListCount(void *list)',
  TF_DeviceListName: 'const char *TF_DeviceListName(void *list, int index, void *status)',
  TF_DeviceListType: 'const char *TF_DeviceListType(void *list, int index, void *status)',
  TF_DeviceListMemoryBytes: 'int64_t TF_DeviceListMemoryBytes(void *list, int index, void *status)',
  TF_DeviceListIncarnation: 'uint64_t TF_DeviceListIncarnation(void *list, int index, void *status)',
  TF_AllocateTensor: 'void *TF_AllocateTensor(int dtype, void *dims, int rank, size_t length)',
  TF_DeleteTensor: 'void TF_DeleteTensor(void *tensor)',
  TF_TensorType: 'int TF_TensorType(void *tensor)',
  TF_NumDims: 'int TF_NumDims(void *tensor)',
  TF_Dim: 'int64_t TF_Dim(void *tensor, int index)',
  TF_TensorByteSize: 'size_t TF_TensorByteSize(void *tensor)',
  TF_TensorData: 'void *TF_TensorData(void *tensor)',
  TF_NewServer: 'void *TF_NewServer(void *proto, size_t length, void *status)',
  TF_ServerStart: 'void TF_ServerStart(void *server, void *status)',
  TF_ServerTarget: 'const char *TF_ServerTarget(void *server)',
  memcpy: 'void *memcpy(void *to, void *from, size_t length)',
} as const

/** Its two fields, for the calls that take a `TF_Output` by value. */
export interface OutputStruct {
  readonly oper: Address
  readonly index: number
}

type Call<A extends readonly unknown[], R> = Binding<A, R>

/** The C API, typed by what each call takes. A status is the last argument where there is one. */
export interface TensorFlowLibrary {
  readonly path: string
  /** `2.21.0` */
  readonly version: string
  readonly TF_NewStatus: Call<[], Address>
  readonly TF_DeleteStatus: Call<[Address], void>
  readonly TF_GetCode: Call<[Address], number>
  readonly TF_Message: Call<[Address], string>
  readonly TF_NewBufferFromString: Call<[Uint8Array, number], Address>
  readonly TF_NewBuffer: Call<[], Address>
  readonly TF_DeleteBuffer: Call<[Address], void>
  readonly TF_NewGraph: Call<[], Address>
  readonly TF_DeleteGraph: Call<[Address], void>
  readonly TF_NewImportGraphDefOptions: Call<[], Address>
  readonly TF_DeleteImportGraphDefOptions: Call<[Address], void>
  readonly TF_ImportGraphDefOptionsAddInputMapping: Call<[Address, string, number, OutputStruct], void>
  readonly TF_ImportGraphDefOptionsRemapControlDependency: Call<[Address, string, Address], void>
  readonly TF_GraphImportGraphDef: Call<[Address, Address, Address, Address], void>
  readonly TF_GraphOperationByName: Call<[Address, string], Address | null>
  readonly TF_OperationNumOutputs: Call<[Address], number>
  readonly TF_NewSessionOptions: Call<[], Address>
  readonly TF_DeleteSessionOptions: Call<[Address], void>
  readonly TF_SetTarget: Call<[Address, string], void>
  readonly TF_SetConfig: Call<[Address, Uint8Array, number, Address], void>
  readonly TF_NewSession: Call<[Address, Address, Address], Address | null>
  readonly TF_LoadSessionFromSavedModel: Call<[Address, null, string, readonly string[], number, Address, Address, Address], Address | null>
  readonly TF_CloseSession: Call<[Address, Address], void>
  readonly TF_DeleteSession: Call<[Address, Address], void>
  readonly TF_SessionRun: Call<[Address, Address | null, Pointer, Pointer, number, Pointer, Pointer, number, Pointer, number, null, Address], void>
  readonly TF_SessionListDevices: Call<[Address, Address], Address | null>
  readonly TF_DeleteDeviceList: Call<[Address], void>
  readonly TF_DeviceListCount: Call<[Address], number>
  readonly TF_DeviceListName: Call<[Address, number, Address], string>
  readonly TF_DeviceListType: Call<[Address, number, Address], string>
  readonly TF_DeviceListMemoryBytes: Call<[Address, number, Address], number | bigint>
  readonly TF_DeviceListIncarnation: Call<[Address, number, Address], number | bigint>
  readonly TF_AllocateTensor: Call<[number, Pointer, number, number], Address | null>
  readonly TF_DeleteTensor: Call<[Address], void>
  readonly TF_TensorType: Call<[Address], number>
  readonly TF_NumDims: Call<[Address], number>
  readonly TF_Dim: Call<[Address, number], number | bigint>
  readonly TF_TensorByteSize: Call<[Address], number | bigint>
  readonly TF_TensorData: Call<[Address], Address | null>
  readonly TF_NewServer: Call<[Uint8Array, number, Address], Address | null>
  readonly TF_ServerStart: Call<[Address, Address], void>
  readonly TF_ServerTarget: Call<[Address], string>
  readonly memcpy: Call<[Pointer, Pointer, number], Address>
}

/** The part of koffi that is used; its own types say `any` throughout. */
interface Koffi {
  load(path: string): { func(declaration: string): unknown }
  struct(name: string, fields: { readonly [name: string]: string }): unknown
}

/** One library a process: TensorFlow registers its ops when it is loaded, and two copies in one process disturb each other. */
let loaded: Promise<TensorFlowLibrary> | undefined
let loadedPath = ''

/** In place of the calls that some builds lack: those for phones, and some made for npm. */
const withoutServers = (path: string): unknown => {
  const refuse = (): never => {
    throw failure({ tag: 'MissingPeer', code: 'LIBTENSORFLOW', problem: `the library ${path} cannot start servers`, remedy: 'Use that of an installed Python package tensorflow.' })
  }
  return Object.assign(refuse, { async: refuse })
}

const load = async (path: string): Promise<TensorFlowLibrary> => {
  const module = await loadPeer('koffi', 'TensorFlow in this process', () => import('koffi'))
  const koffi = ((module as { default?: unknown }).default ?? module) as Koffi
  koffi.struct('MillraceOutput', { oper: 'void *', index: 'int' })
  try {
    const library = koffi.load(path)
    const bind = (name: string, declaration: string): unknown => {
      try {
        return library.func(declaration)
      } catch (cause) {
        if (name.includes('Server')) return withoutServers(path)
        throw cause
      }
    }
    const calls = Object.fromEntries(Object.entries(declarations).map(([name, declaration]) => [name, bind(name, declaration)]))
    const version = (calls['TF_Version'] as () => string)()
    return { ...calls, path, version } as unknown as TensorFlowLibrary
  } catch (cause) {
    throw failure({
      tag: 'MissingPeer',
      code: 'LIBTENSORFLOW',
      problem: `the library ${path} cannot be used: ${(cause as Error).message}`,
      remedy: 'Give the path of a libtensorflow for this platform, of TensorFlow 2.9 or newer, with the libraries that it needs beside it.',
      cause,
    })
  }
}

/**
 * Loads libtensorflow, once a process.
 *
 * @param path - see {@link findLibrary}
 * @throws `MissingPeer` when it, or koffi, is not there; `Usage` when another libtensorflow has been loaded already
 */
export const loadLibrary = (path?: string): Promise<TensorFlowLibrary> => {
  if (loaded !== undefined && path === undefined) return loaded
  const found = findLibrary(path)
  if (loaded === undefined) {
    loadedPath = found
    loaded = load(found)
    // A library that could not be loaded may be installed later.
    loaded.catch(() => {
      loaded = undefined
    })
  } else if (found !== loadedPath) {
    throw failure({ tag: 'Usage', code: 'LIBTENSORFLOW_LOADED', problem: `${loadedPath} is loaded already, and a process has room for one libtensorflow`, remedy: 'Use one, or another process.' })
  }
  return loaded
}

/** `work` on a thread of libuv's pool, so that the event loop goes on. */
export const offLoop = <A extends readonly unknown[], R>(binding: Binding<A, R>, ...args: A): Promise<R> =>
  new Promise((resolve, reject) => {
    binding.async(...args, (error, result) => {
      if (error === null || error === undefined) resolve(result)
      else reject(error)
    })
  })
