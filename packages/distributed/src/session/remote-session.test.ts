import { run } from '@millrace/core'
import { Graph } from '@millrace/export'
import { expect, test } from 'vitest'
import { remoteSession } from './remote-session.js'

test('a graph that was not encoded makes no session, where it would make an empty one', async () => {
  for (const graph of [new Graph(), undefined]) {
    await expect(run(remoteSession({ target: 'grpc://127.0.0.1:1', graph: graph as never, timeoutMs: 1_000 }))).rejects.toMatchObject({ _tag: 'Model', code: 'GRAPH_BYTES', message: expect.stringContaining('Graph.encode()') as string })
  }
})
