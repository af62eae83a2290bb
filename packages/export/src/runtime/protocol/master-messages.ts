import { failure } from '@millrace/core'
import { fromInt64, int64ToNumber, tensorflow, toInt64 } from '../../proto/index.js'
import { decodeTensorProto } from '../../tensor/decode-tensor-proto.js'
import { elementsOverBytes } from '../../tensor/dtypes.js'
import type { HostTensor } from '../../tensor/host-tensor.js'
import { requireGraphBytes } from '../graph-inputs.js'
import { configProto, type SessionConfig } from '../session-config.js'
import type { Device } from '../session.js'
import { stepRequest } from './step-request.js'

/**
 * Messages of `tensorflow.MasterService` (`tensorflow/core/protobuf/master.proto`), as bytes: requests in, responses out. Graphs
 * pass through as the bytes that they are, and numeric tensors of a response are views of it.
 */

/** protobuf's tag of a length-delimited field. */
const tag = (field: number): number => (field << 3) | 2

/** See `step-request.ts`. */
const requestId = (): ReturnType<typeof toInt64> => ({
  low: (Math.random() * 2 ** 32) | 0 || 1,
  high: (Math.random() * 2 ** 31) | 0,
  unsigned: false,
})

const decoded = <T>(what: string, decode: () => T): T => {
  try {
    return decode()
  } catch (cause) {
    throw failure({ tag: 'Engine', code: 'BAD_RESPONSE', problem: `the server's answer to ${what} cannot be read`, remedy: 'Check that a TensorFlow server listens at this address.', cause })
  }
}

/** How a step went: with `storeErrors` a server answers with a status, since headers would cut a long message short. */
export interface RunStepResult {
  readonly code: number
  readonly message: string
  /** By name. */
  readonly tensors: ReadonlyMap<string, HostTensor>
}

const device = (proto: tensorflow.IDeviceAttributes): Device => ({
  name: proto.name ?? '',
  type: proto.deviceType ?? '',
  memoryBytes: int64ToNumber(proto.memoryLimit),
  incarnation: BigInt.asUintN(64, fromInt64(proto.incarnation)),
})

/** Requests. @see MasterMessages */
const encode = {
  createSession: (graph: Uint8Array, config: SessionConfig | undefined, target: string): Uint8Array => {
    requireGraphBytes(graph)
    const writer = tensorflow.CreateSessionRequest.encode({ config: configProto(config), target })
    return writer.uint32(tag(1)).bytes(graph).finish()
  },
  extendSession: (handle: string, graph: Uint8Array, version: bigint): Uint8Array => {
    const writer = tensorflow.ExtendSessionRequest.encode({ sessionHandle: handle, currentGraphVersion: toInt64(version) })
    return writer.uint32(tag(2)).bytes(graph).finish()
  },
  /** What is the same in steps of the same names and time, for {@link encode.runStep}. */
  runStepPrefix: (handle: string, fetches: readonly string[], targets: readonly string[], timeoutMs: number): Uint8Array =>
    tensorflow.RunStepRequest.encode({
      sessionHandle: handle,
      fetch: [...fetches],
      target: [...targets],
      // Servers did not keep to it when it was tried; it costs nothing, and newer ones may.
      ...(timeoutMs === Infinity ? {} : { options: { timeoutInMs: toInt64(Math.ceil(timeoutMs)) } }),
      storeErrorsInResponseBody: true,
    }).finish(),
  runStep: (prefix: Uint8Array, feeds: ReadonlyMap<string, HostTensor>): Uint8Array => stepRequest(prefix, { feed: 2, requestId: 8 }, feeds),
  makeCallable: (handle: string, feeds: readonly string[], fetches: readonly string[], targets: readonly string[]): Uint8Array =>
    tensorflow.MakeCallableRequest.encode({ sessionHandle: handle, options: { feed: [...feeds], fetch: [...fetches], target: [...targets] }, requestId: requestId() }).finish(),
  /** What is the same in all runs of a callable, for {@link encode.runCallable}. */
  runCallablePrefix: (handle: string, callable: bigint): Uint8Array => tensorflow.RunCallableRequest.encode({ sessionHandle: handle, handle: toInt64(callable) }).finish(),
  runCallable: (prefix: Uint8Array, feeds: readonly HostTensor[]): Uint8Array =>
    stepRequest(prefix, { feed: 3, requestId: 4 }, feeds.map((tensor) => [undefined, tensor] as const)),
  releaseCallable: (handle: string, callable: bigint): Uint8Array => tensorflow.ReleaseCallableRequest.encode({ sessionHandle: handle, handle: toInt64(callable) }).finish(),
  closeSession: (handle: string): Uint8Array => tensorflow.CloseSessionRequest.encode({ sessionHandle: handle }).finish(),
  listDevices: (handle: string): Uint8Array => tensorflow.ListDevicesRequest.encode({ sessionHandle: handle }).finish(),
  reset: (containers: readonly string[], deviceFilters: readonly string[]): Uint8Array =>
    tensorflow.ResetRequest.encode({ container: [...containers], deviceFilters: [...deviceFilters] }).finish(),
}

/** Responses. @see MasterMessages */
const decode = {
  createSession: (bytes: Uint8Array): { readonly handle: string; readonly version: bigint } =>
    decoded('CreateSession', () => {
      const { sessionHandle, graphVersion } = tensorflow.CreateSessionResponse.decode(bytes)
      return { handle: sessionHandle ?? '', version: fromInt64(graphVersion) }
    }),
  extendSession: (bytes: Uint8Array): bigint => decoded('ExtendSession', () => fromInt64(tensorflow.ExtendSessionResponse.decode(bytes).newGraphVersion)),
  runStep: (bytes: Uint8Array): RunStepResult =>
    decoded('RunStep', () => {
      const { statusCode, statusErrorMessage, tensor } = tensorflow.RunStepResponse.decode(bytes)
      const tensors = (tensor ?? []).map(({ name, tensor: proto }) => [name ?? '', decodeTensorProto(proto ?? {}, name ?? '', elementsOverBytes)] as const)
      return { code: statusCode ?? 0, message: statusErrorMessage ?? '', tensors: new Map(tensors) }
    }),
  makeCallable: (bytes: Uint8Array): bigint => decoded('MakeCallable', () => fromInt64(tensorflow.MakeCallableResponse.decode(bytes).handle)),
  runCallable: (bytes: Uint8Array): readonly HostTensor[] =>
    decoded('RunCallable', () => (tensorflow.RunCallableResponse.decode(bytes).fetch ?? []).map((proto, index) => decodeTensorProto(proto, `fetch ${index}`, elementsOverBytes))),
  listDevices: (bytes: Uint8Array): readonly Device[] =>
    decoded('ListDevices', () => {
      const { localDevice, remoteDevice } = tensorflow.ListDevicesResponse.decode(bytes)
      return [...(localDevice ?? []), ...(remoteDevice ?? [])].map(device)
    }),
}

/** Requests and responses of `tensorflow.MasterService` as bytes, for clients of any transport. */
export const masterMessages = { encode, decode } as const
