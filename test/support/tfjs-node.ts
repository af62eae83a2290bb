import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describeUnless } from './peer.js'
import { tfjsNodeFlags, tfjsNodeLacks } from './tfjs-node-place.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A `describe` whose tests need `@tensorflow/tfjs-node`, see {@link describeUnless}. */
export const describeTfjsNode = (name: string, body: () => void): void => describeUnless(tfjsNodeLacks(), name, body)

/**
 * Runs a program (`buildProgram`) in a process of its own and gives what it printed, as JSON.
 *
 * @param options.tfjsNode - whether `@tensorflow/tfjs-node` is installed, as the program sees it
 */
export const runProgram = (program: string, args: readonly string[], options: { readonly tfjsNode: boolean }): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const flags = options.tfjsNode ? tfjsNodeFlags() : []
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
