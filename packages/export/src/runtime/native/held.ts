import { statusFailure } from '../status.js'
import type { Address, TensorFlowLibrary } from './bindings.js'

/** Kinds of native objects that are counted. */
export type NativeKind = 'tensors' | 'graphs' | 'sessions' | 'statuses' | 'buffers'

const counts: Record<NativeKind, number> = { tensors: 0, graphs: 0, sessions: 0, statuses: 0, buffers: 0 }

/** How many objects of libtensorflow this process holds at the moment. All are 0 when every session is closed and no call runs. */
export const nativeObjects = (): Readonly<Record<NativeKind, number>> => ({ ...counts })

/** Counts an object that was made. */
export const hold = (kind: NativeKind, address: Address): Address => {
  counts[kind] += 1
  return address
}

/** Counts an object that was freed. */
export const drop = (kind: NativeKind): void => {
  counts[kind] -= 1
}

/** Throws what a status says. */
export const checkStatus = (library: TensorFlowLibrary, status: Address, source?: string): void => {
  const code = library.TF_GetCode(status)
  if (code !== 0) throw statusFailure(code, library.TF_Message(status), source)
}

/** Gives `work` a status, and throws what it says when `work` has ended. */
export const withStatus = <R>(library: TensorFlowLibrary, work: (status: Address) => R, source?: string): R => {
  const status = hold('statuses', library.TF_NewStatus())
  try {
    const result = work(status)
    checkStatus(library, status, source)
    return result
  } finally {
    library.TF_DeleteStatus(status)
    drop('statuses')
  }
}

/** {@link withStatus} for work off the event loop. */
export const withStatusAsync = async <R>(library: TensorFlowLibrary, work: (status: Address) => Promise<R>, source?: string): Promise<R> => {
  const status = hold('statuses', library.TF_NewStatus())
  try {
    const result = await work(status)
    checkStatus(library, status, source)
    return result
  } finally {
    library.TF_DeleteStatus(status)
    drop('statuses')
  }
}

/** Bytes as a `TF_Buffer`, which copies them; freed when `work` has ended. */
export const withBuffer = async <R>(library: TensorFlowLibrary, bytes: Uint8Array, work: (buffer: Address) => R | Promise<R>): Promise<R> => {
  const buffer = hold('buffers', library.TF_NewBufferFromString(bytes, bytes.length))
  try {
    return await work(buffer)
  } finally {
    library.TF_DeleteBuffer(buffer)
    drop('buffers')
  }
}
