import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { freePort } from './free-port.js'
import { peerPython } from './python.js'

/** The folder of the peer environment, in which TensorFlow's library is. */
export const peerLibrary = (): string => dirname(dirname(peerPython()))

/** One ps and one worker of `tf.distribute.Server`, in one Python process. */
const script = `
import sys
import tensorflow as tf
cluster = {'ps': [sys.argv[1]], 'worker': [sys.argv[2]]}
servers = [tf.distribute.Server(cluster, job_name=job, task_index=0, protocol='grpc', start=True) for job in ('ps', 'worker')]
print('UP', flush=True)
sys.stdin.read()
`

/** Python's servers. */
export interface PythonServers {
  readonly ps: string
  readonly worker: string
  stop(): void
}

export const startPythonServers = async (): Promise<PythonServers> => {
  const [ps, worker] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  const child = spawn(peerPython(), ['-c', script, ps, worker], {
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const stop = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', stop)
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('close', () => reject(new Error("Python's servers did not start")))
  })
  return { ps: `grpc://${ps}`, worker: `grpc://${worker}`, stop }
}
