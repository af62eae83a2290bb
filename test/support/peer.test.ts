import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { describePeer, runPython } from './peer.js'

describePeer('the peer environment', 'numpy', () => {
  test('gives standard output, arguments and input', async () => {
    const script = 'import sys\nprint(sys.argv[1], sys.stdin.read(), "é")'
    expect(await runPython(script, { args: ['one'], input: 'two' })).toBe('one two é\n')
  })

  test('throws with standard error', async () => {
    await expect(runPython('raise ValueError("seven")')).rejects.toThrow(/ValueError: seven/)
  })

  test('kills what a late script has started', async () => {
    const script = `
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)'])
print(child.pid, file=sys.stderr, flush=True)
time.sleep(120)
`
    const error: unknown = await runPython(script, { timeoutMs: 2_000 }).catch((error: unknown) => error)
    const [, pid] = /(\d+)\s*$/.exec((error as Error).message) ?? []
    expect(pid).toBeDefined()
    // A killed process may linger as a zombie until it is reaped: that has ended too.
    const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', pid ?? ''], { encoding: 'utf8' })
    expect(stdout.trim()).toMatch(/^(Z.*)?$/)
  })
})
