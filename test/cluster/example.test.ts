import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

const runExample = (library: string): Promise<{ readonly code: number | null; readonly output: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['scripts/example.mjs', 'cluster'], { cwd: root, env: { ...process.env, LIBTENSORFLOW: library, CUDA_VISIBLE_DEVICES: '' } })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })

test('npm run example:cluster says at once where there is no libtensorflow, and what to do', async () => {
  const { code, output } = await runExample('/nowhere')
  expect([code, output]).toEqual([1, expect.stringMatching(/^there is no libtensorflow at \/nowhere\. .*pip install tensorflow.*\nIn this checkout, npm run peers:setup makes one\.\n$/i)])
})

describePeer('npm run example:cluster', 'tensorflow', () => {
  test('trains on two parameter servers and two workers, as well as on one machine, and says where the model is', async () => {
    const { code, output } = await runExample(peerLibrary())
    expect([code, output]).toEqual([0, expect.stringMatching(/step \d+: log loss/)])
    for (const worker of ['worker 0', 'worker 1']) expect(output).toMatch(new RegExp(`${worker}: \\d+ steps, 96000 rows`))
    const losses = ['one machine', '2 parameter servers, 2 workers', 'the exported model'].map((name) => Number(new RegExp(`${name}.*log loss (\\d\\.\\d+)`).exec(output)![1]))
    const [alone, together, exported] = losses as [number, number, number]
    expect(Math.abs(together / alone - 1)).toBeLessThan(0.02)
    expect(exported).toBe(together)
    const [, url] = /The model is in (\S+)/.exec(output)!
    expect(existsSync(join(root, url!, 'saved_model.pb'))).toBe(true)
  })
})
