import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { peerLacks, peerPython } from '../../test/support/python.js'
import { tfjsNodeFlags, tfjsNodeLacks } from '../../test/support/tfjs-node-place.js'

/** A program that is kept running: it reads a JSON command a line and answers with one JSON value a line. */
export interface Program {
  /** @throws with the program's own words when it fails */
  ask<A>(command: object): Promise<A>
  close(): void
}

/** Longer than any turn takes. A step that a server has lost never ends, in any client that waits for it in its only thread. */
const ANSWER_MS = 15 * 60_000

const startProgram = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Program => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env })
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => (complaints = `${complaints}${text.toString()}`.slice(-4000)))
  child.stdin.on('error', () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    ask: async (request) => {
      child.stdin.write(`${JSON.stringify(request)}\n`)
      const late = setTimeout(() => {
        complaints += `\nno answer within ${ANSWER_MS / 60_000} minutes to ${JSON.stringify(request).slice(0, 200)}`
        child.kill('SIGKILL')
      }, ANSWER_MS)
      const line = await lines.next()
      clearTimeout(late)
      if (line.done === true) throw new Error(`${[command, ...args].join(' ')} ended:\n${complaints}`)
      return JSON.parse(line.value) as never
    },
    close: () => void child.stdin.end(),
  }
}

/** Of TensorFlow in whatever language. */
const quiet = (): NodeJS.ProcessEnv => ({ ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' })

/** Starts a Python peer, or says why there is none. */
export const startPython = (file: string, needs: string, args: readonly string[] = []): Program | { readonly lacks: string } => {
  const lacks = peerLacks(needs)
  if (lacks !== undefined) return { lacks }
  return startProgram(peerPython(), [file, ...args], quiet())
}

/** Lets `import('@node-rs/crc32')` fail, as it does where the package is not installed. */
const withoutNative = `import { register } from 'node:module'
register('data:text/javascript,' + encodeURIComponent("export const resolve = (name, context, next) => { if (name === '@node-rs/crc32') throw new Error('left out'); return next(name, context) }"))`

/**
 * Starts a contender that runs on Node, in a process of its own: what one has compiled, and the garbage that it leaves, would
 * change what the other is measured at.
 */
export const startContender = (name: string, { native = true, program: file = 'contender' } = {}): Program => {
  const program = new URL(`./${file}.mjs`, import.meta.url).pathname
  const hooks = native ? [] : ['--import', `data:text/javascript,${encodeURIComponent(withoutNative)}`]
  return startProgram(process.execPath, [...hooks, '--enable-source-maps', program, name])
}

/** Starts TensorFlow.js on tfjs-node, or says why there is none. */
export const startTfjsNode = (program: string, args: readonly string[] = []): Program | { readonly lacks: string } => {
  const lacks = tfjsNodeLacks()
  if (lacks !== undefined) return { lacks }
  return startProgram(process.execPath, [...tfjsNodeFlags(), '--enable-source-maps', new URL(`./${program}.mjs`, import.meta.url).pathname, ...args], quiet())
}

/** Answers commands with what `commands` make of them, until the input ends. */
export const serve = async (commands: { readonly [name: string]: (command: never) => Promise<unknown> }): Promise<void> => {
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as { readonly do: string }
    process.stdout.write(`${JSON.stringify((await commands[command.do]!(command as never)) ?? null)}\n`)
  }
}
