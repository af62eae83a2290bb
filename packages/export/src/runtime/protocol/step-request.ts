import { BytesColumn } from '@millrace/core'
import { tensorflow } from '../../proto/index.js'
import { dtypeNumber } from '../../tensor/dtypes.js'
import { encodeTensorProto } from '../../tensor/encode-tensor-proto.js'
import { numbersOf, type HostTensor } from '../../tensor/host-tensor.js'

/**
 * Requests of steps, written by hand: what is the same in each step is encoded once, and fed numbers are copied once, from where they
 * are into the request.
 */

/** protobuf's tags of a number, and of what has a length. */
const numberTag = (field: number): number => field << 3
const lengthTag = (field: number): number => (field << 3) | 2

/** Where the parts of a request are (`master.proto`). */
export interface StepFields {
  /** Of a feed: a `NamedTensorProto` or, without names, a `TensorProto`. */
  readonly feed: number
  readonly requestId: number
}

/** A tag, and 63 bits in nine bytes. */
const REQUEST_ID_BYTES = 10

const pushNumber = (out: number[], value: number): void => {
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
  out.push(rest)
}

const numberLength = (value: number): number => {
  let length = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) length += 1
  return length
}

/** Bytes in front of a tensor's elements, and these. */
interface Piece {
  readonly head: readonly number[]
  readonly body: Uint8Array
}

/** A `TensorProto` (`tensor.proto`). */
const tensorPiece = (tensor: HostTensor): Piece => {
  if (tensor.data instanceof BytesColumn) return { head: [], body: tensorflow.TensorProto.encode(encodeTensorProto(tensor)).finish() }
  const data = numbersOf(tensor, 'a message')
  const dims: number[] = []
  for (const size of tensor.shape) {
    dims.push(lengthTag(2), 1 + numberLength(size), numberTag(1))
    pushNumber(dims, size)
  }
  const head = [numberTag(1)]
  pushNumber(head, dtypeNumber(tensor.dtype))
  head.push(lengthTag(2))
  pushNumber(head, dims.length)
  head.push(...dims, lengthTag(4))
  pushNumber(head, data.byteLength)
  return { head, body: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
}

const feedPiece = (field: number, name: string | undefined, tensor: HostTensor): Piece => {
  const { head, body } = tensorPiece(tensor)
  const size = head.length + body.length
  const out: number[] = [lengthTag(field)]
  if (name === undefined) {
    pushNumber(out, size)
  } else {
    // TensorFlow's names are ASCII.
    const named = [lengthTag(1)]
    pushNumber(named, name.length)
    for (let i = 0; i < name.length; i++) named.push(name.charCodeAt(i))
    named.push(lengthTag(2))
    pushNumber(named, size)
    pushNumber(out, named.length + size)
    out.push(...named)
  }
  out.push(...head)
  return { head: out, body }
}

/**
 * A master refuses a second request of the same number, so that nothing is run twice when a network repeats it (`master.cc`,
 * `RecentRequestIds`); 0 would switch that off.
 */
const writeRequestId = (bytes: Uint8Array, at: number, field: number): void => {
  bytes[at] = numberTag(field)
  for (let i = 1; i < REQUEST_ID_BYTES; i++) bytes[at + i] = (Math.random() * 128) | (i < REQUEST_ID_BYTES - 1 ? 128 : 0)
  bytes[at + REQUEST_ID_BYTES - 1]! |= 1
}

/**
 * The bytes of a request.
 *
 * @param prefix - its other fields, encoded; used as often as they are the same
 * @param feeds - with full names, or without
 */
export const stepRequest = (prefix: Uint8Array, fields: StepFields, feeds: Iterable<readonly [name: string | undefined, tensor: HostTensor]>): Uint8Array => {
  const pieces: Piece[] = []
  let size = prefix.length + REQUEST_ID_BYTES
  for (const [name, tensor] of feeds) {
    const piece = feedPiece(fields.feed, name, tensor)
    pieces.push(piece)
    size += piece.head.length + piece.body.length
  }
  const bytes = new Uint8Array(size)
  bytes.set(prefix)
  let at = prefix.length
  for (const { head, body } of pieces) {
    bytes.set(head, at)
    bytes.set(body, at + head.length)
    at += head.length + body.length
  }
  writeRequestId(bytes, at, fields.requestId)
  return bytes
}
