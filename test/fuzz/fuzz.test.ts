import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a campaign; gives its status and what it printed. */
const fuzz = async (...args: readonly string[]): Promise<{ readonly status: number; readonly text: string }> => {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['scripts/fuzz.mjs', ...args], { cwd: root })
    return { status: 0, text: stdout }
  } catch (error) {
    const { code, stdout, stderr } = error as { readonly code: number; readonly stdout: string; readonly stderr: string }
    return { status: code, text: stdout + stderr }
  }
}

describe('the fuzz campaign', () => {
  // Long ones: npm run fuzz.
  test('finds nothing in any decoder', async () => {
    const { status, text } = await fuzz('--inputs', '1500', '--seed', '1')
    expect(text).toMatch(/^15\d\d inputs of seed 1, 0 findings$/m)
    expect(status).toBe(0)
  })

  test.each([
    ['planted-error', /a planted error/, []],
    ['planted-hang', /nothing for 10 s/, ['--hang', '10']],
    ['planted-crash', /the process ended with SIGKILL/, []],
    ['planted-memory', /MiB of memory/, []],
  ])('finds what is planted: %s', async (decoder, problem, more) => {
    const { status, text } = await fuzz('--decoder', decoder, '--seed', '10', '--only', '7', ...more)
    expect(text).toMatch(problem)
    expect(text).toContain(`replay: npm run fuzz -- --decoder ${decoder} --seed 10 --only 7`)
    expect(status).toBe(1)
    expect(await fuzz('--decoder', decoder, '--seed', '10', '--only', '6')).toMatchObject({ status: 0 })
  })
})
