#!/usr/bin/env node
/**
 * `npx millrace-server`: runs the TensorFlow server of the task that `TF_CONFIG` names, until it is ended. The library is found by
 * `LIBTENSORFLOW`, or in an installed tfjs-node.
 */
import { failure, isMillraceError, run } from '@millrace/core'
import { clusterFromEnv } from '../cluster/index.js'
import { startTensorFlowServer } from '../servers/server.js'

const help = `millrace-server: a TensorFlow server for one task of a cluster, without Python.

  TF_CONFIG       {"cluster": {"ps": ["host:port"], "worker": ["host:port"]}, "task": {"type": "ps", "index": 0}}
  LIBTENSORFLOW   path of libtensorflow, or of a folder that holds it (an installed Python package "tensorflow" is one)

It serves until it gets SIGTERM or SIGINT. The servers have no authentication: the network has to protect them.
`

/** TensorFlow's threads run on, and libraries that are torn down under them crash: the process ends without goodbyes. */
const end = (): void => {
  process.kill(process.pid, 'SIGKILL')
}

const main = async (): Promise<void> => {
  const { spec, task, rpcLayer } = clusterFromEnv()
  if (task === undefined) throw failure({ tag: 'Usage', code: 'CLUSTER_TASK', problem: 'TF_CONFIG names no task, so there is no server to run', remedy: 'Add "task": {"type": "worker", "index": 0}.' })
  const server = await run(startTensorFlowServer({ cluster: spec, job: task.type, task: task.index, protocol: rpcLayer }))
  process.stdout.write(`TensorFlow ${server.version} serves ${task.type} ${task.index} at ${server.target}\n`)
  // Keeps the process: TensorFlow's own threads do not.
  setInterval(() => undefined, 2 ** 30)
}

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  process.stdout.write(help)
} else {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end)
  // Started by a program that has ended since, however it ended.
  process.once('disconnect', end)
  main().catch((thrown: unknown) => {
    process.stderr.write(`millrace-server: ${isMillraceError(thrown) ? thrown.message : String(thrown)}\n`)
    process.exit(1)
  })
}
