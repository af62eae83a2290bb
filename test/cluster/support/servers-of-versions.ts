import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { toTfConfig, type ClusterSpec, type Task } from '@millrace/distributed'
import { peerPython } from '../../support/python.js'
import { peerLibrary } from '../../support/session-servers.js'

const file = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
const quiet = { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' }

/** Servers of one TensorFlow. */
export interface ServerKind {
  /** What the machine lacks for them. */
  readonly lacks: string | undefined
  /** Starts servers of some tasks. Resolves with their processes and TensorFlow's version when they serve. */
  serve(spec: ClusterSpec, tasks: readonly Task[]): Promise<{ readonly version: string; readonly processes: readonly ChildProcess[] }>
}

const lacksUnless = (path: string): string | undefined => (existsSync(path) ? undefined : `no ${path}: npm run peers:setup, which says why it could not make it`)

/** Resolves with the version that a process says it serves. */
const versionOf = (child: ChildProcess): Promise<string> => new Promise((resolve, reject) => {
  let said = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    const version = /TensorFlow (\S+) serves/.exec(said)?.[1]
    if (version !== undefined) resolve(version)
  })
  child.once('close', () => reject(new Error(`a server ended: ${said}`)))
})

/** Servers in Node, each in a process of its own. */
const inNode = (library: string): ServerKind => ({
  lacks: lacksUnless(library),
  serve: async (spec, tasks) => {
    const processes = tasks.map((task) => spawn(process.execPath, [file('packages/distributed/dist/millrace-server.js')], {
      env: { ...process.env, ...quiet, TF_CONFIG: toTfConfig({ spec, task }), LIBTENSORFLOW: library }, stdio: ['ignore', 'pipe', 'ignore'],
    }))
    const [version] = await Promise.all(processes.map(versionOf))
    return { version: version!, processes }
  },
})

const script = `
import json, sys
import tensorflow as tf
cluster, tasks = json.loads(sys.argv[1])
servers = [tf.distribute.Server(cluster, job_name=job, task_index=task, protocol='grpc', start=True) for job, task in tasks]
print(f'TensorFlow {tf.__version__} serves', flush=True)
sys.stdin.read()
`

/** Python's servers, all in one process. */
const inPython = (python: string): ServerKind => ({
  lacks: lacksUnless(python),
  serve: async (spec, tasks) => {
    const { cluster } = JSON.parse(toTfConfig({ spec, task: tasks[0] })) as { readonly cluster: object }
    const child = spawn(python, ['-c', script, JSON.stringify([cluster, tasks.map(({ type, index }) => [type, index])])], { env: { ...process.env, ...quiet }, stdio: ['pipe', 'pipe', 'ignore'] })
    return { version: await versionOf(child), processes: [child] }
  },
})

/** By the language of their process and TensorFlow's version. */
export const kinds = {
  oldNode: inNode(file('.peers/tensorflow-2.9/libtensorflow.so.2')),
  newNode: inNode(peerLibrary()),
  oldPython: inPython(file('.peers/tensorflow-2.12/bin/python')),
  newPython: inPython(peerPython()),
} as const satisfies Record<string, ServerKind>
