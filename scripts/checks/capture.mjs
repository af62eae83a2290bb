import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../support/console.mjs'

/** The file of an installed tool, run by this Node: no shell, no PATH. */
export const tool = (name, file) => join(root, 'node_modules', name, file)

/** Runs a command, and gives undefined when it succeeded, else all that it said. */
export const capture = (command, args, options = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', ...options.env },
    })
    const said = []
    child.stdout.on('data', (chunk) => said.push(chunk))
    child.stderr.on('data', (chunk) => said.push(chunk))
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : Buffer.concat(said).toString('utf8') || `ended with ${signal ?? `status ${code}`}`),
    )
  })
