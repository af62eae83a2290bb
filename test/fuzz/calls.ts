import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { masterMessages } from '@millrace/export'
import { tensorflow, toInt64 } from '../../packages/export/src/proto/index.js'
import { ClientSession } from '../../packages/distributed/src/session/grpc/http2/client-session.js'
import { ProtocolError } from '../../packages/distributed/src/session/grpc/http2/error-code.js'
import { encodeFrame, encodeGoaway, encodeReset, encodeSettings, encodeWindowUpdate, flag, frameType } from '../../packages/distributed/src/session/grpc/http2/frame.js'
import { HeaderDecoder, type Headers } from '../../packages/distributed/src/session/grpc/http2/hpack-decoder.js'
import { encodeHeaders } from '../../packages/distributed/src/session/grpc/http2/hpack-encoder.js'
import { FrameError, MessageAssembler, messagePrefix } from '../../packages/distributed/src/session/grpc/message-frame.js'
import { grpcStatus, httpStatus } from '../../packages/distributed/src/session/grpc/response-status.js'
import { orTyped, type FuzzedDecoder } from './fuzzed.js'

const MAX_LIST_BYTES = 64 * 2 ** 10

const answer = Buffer.from('an answer of some length')
const block = encodeHeaders([[':status', '200'], ['content-type', 'application/grpc']])
const refusal = encodeHeaders([['grpc-status', '5'], ['grpc-message', 'no such %C3%BC']])

/** The two examples of RFC 7541 with Huffman's code and a table that grows (C.6.1 and C.6.2), and our own. */
const huffman = ['488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3', '4883640effc1c0bf'].map((hex) => Buffer.from(hex, 'hex'))

const frames = (...pieces: readonly Buffer[]): Buffer => Buffer.concat([encodeSettings([]), ...pieces])
const headers = (flags: number, payload = block): Buffer => encodeFrame(frameType.headers, flags, 1, payload)
const data = (flags = 0): Buffer => encodeFrame(frameType.data, flags, 1, Buffer.concat([messagePrefix(answer.length), answer]))

const answers = (): readonly Buffer[] => [
  frames(headers(flag.endHeaders), data(), headers(flag.endHeaders | flag.endStream, encodeHeaders([['grpc-status', '0']]))),
  frames(headers(flag.endHeaders | flag.endStream, refusal), encodeWindowUpdate(0, 70_000), encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8)), encodeGoaway(0)),
  frames(headers(0, block.subarray(0, 3)), encodeFrame(frameType.continuation, flag.endHeaders, 1, block.subarray(3)), encodeFrame(frameType.data, flag.padded, 1, Buffer.from([2, 0, 0, 0])), encodeReset(1, 8)),
]

/** A session whose socket takes everything. */
const session = (): { readonly session: ClientSession; readonly seen: { open: number; bytes: number } } => {
  const seen = { open: 2, bytes: 0 }
  const socket = Object.assign(new EventEmitter(), { cork: () => undefined, uncork: () => undefined, writableLength: 0, write: (_: Uint8Array, done?: () => void) => (done?.(), true) })
  const started: ClientSession = new ClientSession(socket as unknown as Socket, {
    onReady: () => undefined, onGoaway: () => undefined, onStreamEnd: () => seen.open--, onError: (reason) => started.destroy(reason),
  })
  for (let i = 0; i < seen.open; i++) {
    const message = new MessageAssembler()
    started.request({ block, body: [Buffer.alloc(100)] }, {
      onHeaders: (got) => void (grpcStatus(got) ?? httpStatus(got)),
      onData: (piece) => {
        seen.bytes += piece.length
        try {
          message.add(piece)
        } catch (error) {
          if (!(error instanceof FrameError)) throw error
        }
      },
      onEnd: () => void (message.isComplete && message.message()), onReset: () => undefined, onGone: () => undefined,
    })
  }
  return { session: started, seen }
}

const http2: FuzzedDecoder = {
  name: 'http2',
  sound: answers,
  decode: (input) => {
    const { session: one, seen } = session()
    const step = input.length % 3 === 0 ? 7 : input.length
    for (let at = 0; at < input.length; at += step) one.read(Buffer.from(input.subarray(at, at + step)))
    one.destroy('over')
    if (seen.open !== 0 || seen.bytes > input.length) throw new Error(`${seen.open} streams did not end, ${seen.bytes} bytes came of ${input.length}`)
  },
}

/** Blocks of one connection, since each may refer to those before it. */
const hpack: FuzzedDecoder = {
  name: 'hpack',
  sound: () => [block, refusal, ...huffman],
  decode: (input) => {
    const decoder = new HeaderDecoder(MAX_LIST_BYTES)
    let found: Headers | undefined
    try {
      for (const one of [...huffman, Buffer.from(input), Buffer.from(input)]) found = decoder.decode(one)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
    }
    const bytes = [...(found ?? [])].reduce((sum, [name, value]) => sum + name.length + value.length, 0)
    if (bytes > 2 * MAX_LIST_BYTES) throw new Error(`${bytes} bytes of headers were taken`)
  },
}

const { DataType } = tensorflow
const dims = (...sizes: number[]): tensorflow.ITensorShapeProto => ({ dim: sizes.map((size) => ({ size: toInt64(size) as unknown as NonNullable<tensorflow.IAttrValue['i']> })) })

/** Tensors as servers send them. */
const tensors: readonly tensorflow.ITensorProto[] = [
  { dtype: DataType.DT_FLOAT, tensorShape: dims(3), tensorContent: new Uint8Array(12) },
  { dtype: DataType.DT_STRING, tensorShape: dims(2), stringVal: [Buffer.from('a'), Buffer.from('ü')] },
  { dtype: DataType.DT_INT64, tensorShape: dims(2, 2), int64Val: [1, -1].map((value) => toInt64(value) as unknown as NonNullable<tensorflow.IAttrValue['i']>) },
  { dtype: DataType.DT_BOOL, tensorShape: dims(), boolVal: [true] },
]

const replies: FuzzedDecoder = {
  name: 'master-replies',
  sound: () => [
    tensorflow.RunStepResponse.encode({ statusCode: 0, tensor: tensors.map((tensor, i) => ({ name: `t${i}:0`, tensor })) } as tensorflow.RunStepResponse.$Properties).finish(),
    tensorflow.RunCallableResponse.encode({ fetch: tensors } as tensorflow.RunCallableResponse.$Properties).finish(),
    tensorflow.ListDevicesResponse.encode({ localDevice: [{ name: '/job:a/replica:0/task:0/device:CPU:0', deviceType: 'CPU' }] } as tensorflow.ListDevicesResponse.$Properties).finish(),
    tensorflow.CreateSessionResponse.encode({ sessionHandle: 'h' } as tensorflow.CreateSessionResponse.$Properties).finish(),
  ],
  decode: async (input) => {
    const { runStep, runCallable, listDevices, createSession, extendSession, makeCallable } = masterMessages.decode
    for (const decode of [runStep, runCallable, listDevices, createSession, extendSession, makeCallable]) await orTyped(() => void decode(input), ['Engine'])
  },
}

/** What servers of TensorFlow answer, from the bytes of the connection to the tensors of a step. */
export const callDecoders: readonly FuzzedDecoder[] = [http2, hpack, replies]
