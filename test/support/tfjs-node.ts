import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, test } from 'vitest'
import { peersRequired } from './peer.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The folder whose node_modules has `@tensorflow/tfjs-node`: `MILLRACE_TFJS_NODE`, else the one that `npm run peers:setup` makes. */
const tfjsNodeFolder = (): string => process.env['MILLRACE_TFJS_NODE'] || join(root, '.peers', 'tfjs-node')

const lacks = (): string | undefined => {
  const addon = join(tfjsNodeFolder(), 'node_modules', '@tensorflow', 'tfjs-node', 'lib')
  return existsSync(addon) ? undefined : 'no @tensorflow/tfjs-node with its addon: npm run peers:setup, which says why it could not build it'
}

/**
 * A `describe` whose tests need `@tensorflow/tfjs-node`. Where it is missing, the group is skipped with the reason in its title;
 * with `MILLRACE_REQUIRE_PEERS=1` that is a failing test instead.
 */
export const describeTfjsNode = (name: string, body: () => void): void => {
  const reason = lacks()
  if (reason === undefined) {
    describe(name, body)
  } else if (peersRequired()) {
    test(name, () => {
      throw new Error(reason)
    })
  } else {
    test.skip(`${name} [skipped: ${reason}]`)
  }
}

/** Resolves the packages of TensorFlow.js as a program in the folder would, and all else as usual. */
const hooks = (folder: string): string => {
  const parentURL = JSON.stringify(pathToFileURL(join(folder, 'program.mjs')).href)
  const resolve = `export const resolve = (name, context, next) => next(name, name.startsWith('@tensorflow/') ? { ...context, parentURL: ${parentURL} } : context)`
  return `data:text/javascript,${encodeURIComponent(`import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(resolve)}`)})`)}`
}

/**
 * Runs a program (`buildProgram`) in a process of its own and gives what it printed, as JSON.
 *
 * @param options.tfjsNode - whether `@tensorflow/tfjs-node` is installed, as the program sees it
 */
export const runProgram = (program: string, args: readonly string[], options: { readonly tfjsNode: boolean }): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const flags = options.tfjsNode ? ['--import', hooks(tfjsNodeFolder())] : []
    const child = spawn(process.execPath, ['--enable-source-maps', '--expose-gc', ...flags, program, ...args], {
      cwd: root,
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', TF_ENABLE_ONEDNN_OPTS: '0', CUDA_VISIBLE_DEVICES: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      const told = Buffer.concat(out).toString('utf8')
      if (code !== 0) reject(new Error(`the program ended with ${signal ?? `status ${code}`}\n${Buffer.concat(err).toString('utf8').slice(-8000)}`))
      // TensorFlow.js prints its advice where it likes.
      else resolve(JSON.parse(told.slice(told.lastIndexOf('\n{') + 1)))
    })
  })
