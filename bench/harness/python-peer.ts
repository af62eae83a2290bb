import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { peerLacks, peerPython } from '../../test/support/python.js'

/** A Python program that is kept running: it reads a JSON command a line and answers with one JSON value a line. */
export interface PythonPeer {
  /** @throws with the program's own words when it fails */
  ask<A>(command: object): Promise<A>
  close(): void
}

/** Starts a Python peer, or says why there is none. */
export const startPythonPeer = (file: string, needs: string): PythonPeer | { readonly lacks: string } => {
  const lacks = peerLacks(needs)
  if (lacks !== undefined) return { lacks }
  const child = spawn(peerPython(), [file], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' },
  })
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => (complaints = `${complaints}${text.toString()}`.slice(-4000)))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    ask: async (command) => {
      child.stdin.write(`${JSON.stringify(command)}\n`)
      const line = await lines.next()
      if (line.done === true) throw new Error(`the Python peer ended:\n${complaints}`)
      return JSON.parse(line.value) as never
    },
    close: () => void child.stdin.end(),
  }
}
