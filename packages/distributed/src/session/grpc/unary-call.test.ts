import { EventEmitter } from 'node:events'
import type { ClientHttp2Stream } from 'node:http2'
import { expect, test } from 'vitest'
import type { Connection } from './connection.js'
import { messagePrefix } from './message-frame.js'
import { UnaryCall } from './unary-call.js'

test('an answer that has come whole counts, though its status came first and the connection is gone', async () => {
  const stream = Object.assign(new EventEmitter(), { end: () => undefined, rstCode: 0, destroyed: false, id: 1 })
  const connection = { isGone: false, reason: 'read ECONNRESET', open: () => stream as unknown as ClientHttp2Stream }
  const answer = new Promise<Uint8Array>((resolve, reject) => {
    const limits = { timeoutMs: Infinity, signal: undefined }
    new UnaryCall({ source: 'grpc://x:1', headers: {}, message: new Uint8Array(1), limits, resolve, reject, onEnd: () => undefined }).start(connection as unknown as Connection)
  })
  stream.emit('response', { ':status': 200, 'content-type': 'application/grpc' })
  stream.emit('trailers', { 'grpc-status': '0' })
  stream.emit('data', Buffer.concat([messagePrefix(2), Buffer.from([7, 8])]))
  connection.isGone = true
  stream.emit('error', new Error('read ECONNRESET'))
  stream.emit('close')
  expect([...(await answer)]).toEqual([7, 8])
})
