import { expect, test } from 'vitest'
import type { Connection } from './connection.js'
import { messagePrefix } from './message-frame.js'
import { UnaryCall } from './unary-call.js'

/** A call on a connection that does nothing, and what becomes of it. */
const started = (): { readonly call: UnaryCall; readonly answer: Promise<Uint8Array> } => {
  let call: UnaryCall | undefined
  const connection = { open: () => undefined, cancel: () => undefined } as unknown as Connection
  const answer = new Promise<Uint8Array>((resolve, reject) => {
    const limits = { timeoutMs: Infinity, signal: undefined }
    call = new UnaryCall({ source: 'grpc://x:1', what: 'the step', block: Buffer.alloc(0), message: new Uint8Array(1), limits, resolve, reject, onEnd: () => undefined })
    call.start(connection)
  })
  return { call: call!, answer }
}

const headers = new Map([[':status', '200'], ['content-type', 'application/grpc']])
const message = Buffer.concat([messagePrefix(2), Buffer.from([7, 8])])

test('an answer that has come whole counts, though the connection is gone', async () => {
  const { call, answer } = started()
  call.onHeaders(headers)
  call.onData(message)
  call.onHeaders(new Map([['grpc-status', '0']]))
  call.onEnd()
  call.onGone('read ECONNRESET')
  expect([...(await answer)]).toEqual([7, 8])
})

test('one without its trailers does not count', async () => {
  const { call, answer } = started()
  call.onHeaders(headers)
  call.onData(message)
  call.onGone('read ECONNRESET')
  await expect(answer).rejects.toMatchObject({ code: 'TF_UNAVAILABLE', message: expect.stringContaining('read ECONNRESET') as string })
})

test('the memory of an answer is its own: that of what was read comes again', async () => {
  const { call, answer } = started()
  const memory = Buffer.from(message)
  call.onHeaders(headers)
  call.onData(memory)
  memory.fill(0)
  call.onHeaders(new Map([['grpc-status', '0']]))
  call.onEnd()
  expect([...(await answer)]).toEqual([7, 8])
})
