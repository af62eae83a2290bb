import { createServer, type AddressInfo } from 'node:net'
import { run } from '@millrace/core'
import { Graph } from '@millrace/export'
import { expect, test } from 'vitest'
import { listServerDevices, remoteSession } from './remote-session.js'

test('a graph that was not encoded makes no session, where it would make an empty one', async () => {
  for (const graph of [new Graph(), undefined]) {
    await expect(run(remoteSession({ target: 'grpc://127.0.0.1:1', graph: graph as never, timeoutMs: 1_000 }))).rejects.toMatchObject({ _tag: 'Model', code: 'GRAPH_BYTES', message: expect.stringContaining('Graph.encode()') as string })
  }
})

test('a server that says nothing: the error names what did not end', async () => {
  const server = createServer((socket) => { socket.on('error', () => undefined) })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const target = `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    await expect(run(remoteSession({ target, graph: new Graph().encode(), timeoutMs: 100 }))).rejects.toMatchObject({ code: 'TF_DEADLINE_EXCEEDED', message: expect.stringContaining('making the session did not end within 100 ms') as string })
    await expect(run(listServerDevices(target, { timeoutMs: 100 }))).rejects.toMatchObject({ message: expect.stringContaining('listing the devices did not end') as string })
  } finally {
    server.close()
  }
})
