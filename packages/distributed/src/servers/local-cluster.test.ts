import { afterEach, expect, test } from 'vitest'
import { run } from '@millrace/core'
import { startLocalCluster } from './local-cluster.js'

const node = process.execPath

afterEach(() => {
  process.execPath = node
})

test('a server whose process cannot be made ends the start at once, and says why', async () => {
  process.execPath = '/nowhere/node'
  await expect(run(startLocalCluster({ timeoutMs: 600_000, library: node }))).rejects.toMatchObject({ _tag: 'Engine', code: 'SERVER_ENDED', message: expect.stringMatching(/ENOENT.*millrace-server/) as string })
})

test('a cluster of no server, or without libtensorflow, is not started', async () => {
  await expect(run(startLocalCluster({ ps: 0, workers: 0 }))).rejects.toMatchObject({ _tag: 'Usage', code: 'CLUSTER_SIZE' })
  for (const options of [{ library: '/nowhere' }, { environment: { LIBTENSORFLOW: '/nowhere' } }]) {
    await expect(run(startLocalCluster(options))).rejects.toMatchObject({ _tag: 'MissingPeer', code: 'LIBTENSORFLOW', message: expect.stringContaining('pip install tensorflow') as string })
  }
})
