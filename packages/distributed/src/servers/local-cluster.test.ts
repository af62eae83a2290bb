import { afterEach, expect, test } from 'vitest'
import { run } from '@millrace/core'
import { startLocalCluster } from './local-cluster.js'

const node = process.execPath

afterEach(() => {
  process.execPath = node
})

test('a server whose process cannot be made ends the start at once, and says why', async () => {
  process.execPath = '/nowhere/node'
  await expect(run(startLocalCluster({ timeoutMs: 600_000 }))).rejects.toMatchObject({ _tag: 'Engine', code: 'SERVER_ENDED', message: expect.stringContaining('ENOENT') as string })
})
