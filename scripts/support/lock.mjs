import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './console.mjs'

const file = join(root, '.bootstrap', 'lock')

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

const take = () => {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  }
}

/** The process that holds the lock, or undefined when it has been given back, or was killed. */
const holder = () => {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return pid > 0 && isAlive(pid) ? pid : undefined
  } catch {
    return undefined
  }
}

/** Waits until no other process bootstraps this repository, and keeps others waiting until this process ends. */
export const lockRepository = () => {
  mkdirSync(join(root, '.bootstrap'), { recursive: true })
  let told = false
  while (!take()) {
    const other = holder()
    if (other === undefined) {
      rmSync(file, { force: true })
      continue
    }
    if (!told) console.log(`waiting for process ${other}, which is bootstrapping this repository`)
    told = true
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
  process.once('exit', () => rmSync(file, { force: true }))
  for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143]]) process.once(signal, () => process.exit(status))
}
