import { spawn, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { run } from '@millrace/core'
import { clusterSpec, listServerDevices, toTfConfig, type ClusterSpec, type Task } from '@millrace/distributed'

/** A relay between two tasks that counts what goes through it, both ways. */
interface Relay {
  readonly port: number
  bytes(): number
  close(): void
}

/** @param to - the port that it relays to, once that is known */
const startRelay = async (to: () => number): Promise<Relay> => {
  let bytes = 0
  const open = new Set<Socket>()
  const server: Server = createServer((near) => {
    const far = connect(to(), '127.0.0.1')
    for (const [from, into] of [[near, far], [far, near]] as const) {
      open.add(from)
      from.setNoDelay(true)
      from.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      from.pipe(into)
      from.on('error', () => into.destroy())
      from.on('close', () => {
        open.delete(from)
        into.destroy()
      })
    }
  })
  const port = await listen(server)
  const close = (): void => {
    server.close()
    for (const socket of open) socket.destroy()
  }
  return { port, bytes: () => bytes, close }
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })

/** Ports that were free a moment ago, no two the same. */
const freePorts = async (count: number): Promise<readonly number[]> => {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(servers.map(listen))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** A cluster of one worker on this machine whose tasks reach each other through relays only. */
export interface CountedCluster {
  readonly spec: ClusterSpec
  /** Of the worker; what a client sends is not counted. */
  readonly target: string
  /** Bytes that went between tasks so far, HTTP/2 frames and all. */
  bytes(): number
  stop(): void
}

const program = (): string => join(dirname(createRequire(import.meta.url).resolve('@millrace/distributed/package.json')), 'dist', 'millrace-server.js')

/** Starts `ps` parameter servers and a worker, and waits until the worker sees them all. */
export const startCountedCluster = async (ps: number, library: string): Promise<CountedCluster> => {
  const tasks: readonly Task[] = [...Array.from({ length: ps }, (_, index) => ({ type: 'ps', index })), { type: 'worker', index: 0 }]
  let ports: readonly number[] = []
  const relays = await Promise.all(tasks.map((_, at) => startRelay(() => ports[at] as number)))
  ports = await freePorts(tasks.length)
  const children: ChildProcess[] = []
  const stop = (): void => {
    for (const child of children) child.kill('SIGKILL')
    for (const relay of relays) relay.close()
  }
  /** A task listens where it is, and finds the others behind their relays. */
  const specOf = (own: number): ClusterSpec => {
    const address = (at: number): string => `127.0.0.1:${at === own ? ports[at]! : relays[at]!.port}`
    return clusterSpec({ ps: Array.from({ length: ps }, (_, at) => address(at)), worker: [address(ps)] })
  }
  try {
    tasks.forEach((task, own) => {
      const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '', TF_CONFIG: toTfConfig({ spec: specOf(own), task }), LIBTENSORFLOW: library }
      // The channel ends the server with this process.
      children.push(spawn(process.execPath, [program()], { env, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] }))
    })
    const target = `grpc://127.0.0.1:${ports[ps]!}`
    await untilUp(target, children)
    return { spec: specOf(ps), target, bytes: () => relays.reduce((sum, relay) => sum + relay.bytes(), 0), stop }
  } catch (thrown) {
    stop()
    throw thrown
  }
}

const untilUp = async (target: string, children: readonly ChildProcess[]): Promise<void> => {
  for (const end = performance.now() + 60_000; ; ) {
    if (children.some(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)) throw new Error('a server of the cluster ended before it was up')
    try {
      await run(listServerDevices(target, { timeoutMs: 5_000 }))
      return
    } catch (thrown) {
      if (performance.now() > end) throw thrown
      await new Promise((resolve) => {
        setTimeout(resolve, 100)
      })
    }
  }
}
