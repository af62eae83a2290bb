import { spawnSync } from 'node:child_process'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root, without a trailing separator. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')

/** A path as people name it: from the root, with forward slashes. */
export const fromRoot = (path) => relative(root, path).replaceAll('\\', '/')

/** Ends the script with what went wrong and what to do about it. */
export const stop = (problem, remedy) => {
  console.error(`\n${problem}\n${remedy}`)
  process.exit(1)
}

export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Output of one command that still fits in memory; a build that says more has gone wrong in a way its start tells. */
const outputLimit = 64 << 20

/**
 * Runs one step of a script quietly: a line when it has ended, and everything that it said when it failed.
 * @returns whether it succeeded
 */
export const step = (label, command, args, options = {}) => {
  const start = performance.now()
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: outputLimit,
    ...options,
    env: { ...process.env, FORCE_COLOR: '0', ...options.env },
  })
  if (status === 0) {
    console.log(`${label} (${seconds(start)})`)
    return true
  }
  console.error(`${label} FAILED (${error?.message ?? signal ?? `status ${status}`})`)
  process.stderr.write(stdout ?? '')
  process.stderr.write(stderr ?? '')
  return false
}

/** Like {@link step}, and ends the script when it fails. */
export const must = (...call) => {
  if (!step(...call)) process.exit(1)
}
