import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { skipOrFail } from '../support/peer.js'
import { buildProgram } from '../support/program.js'

/** Writes records without end, or as many as asked for, and prints what became of it and which files there are then. */
const source = `
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { field, fromRows, isMillraceError, pipe, repeat, run, take } from '@millrace/core'
import { writeTfRecords } from '@millrace/formats'

const [prefix = '', count = 'Infinity', ifExists] = process.argv.slice(2)
const rows = fromRows({ text: field.utf8() }, Array.from({ length: 4096 }, (_, row) => ({ text: String(row).padStart(1000, '0') })))
const endless = pipe(rows, repeat())
const wanted = count === 'Infinity' ? endless : pipe(endless, take(Number(count)))
let error = null
try {
  await run(pipe(wanted, writeTfRecords(prefix, { shards: 2, ...(ifExists === 'replace' ? { ifExists } : {}) })))
} catch (thrown) {
  if (!isMillraceError(thrown)) throw thrown
  error = { tag: thrown._tag, code: thrown.code, message: thrown.message }
}
console.log(JSON.stringify({ error, files: readdirSync(dirname(prefix)).sort() }))
`

interface Outcome {
  readonly error: { readonly tag: string; readonly code: string; readonly message: string } | null
  readonly files: readonly string[]
}

let program = ''
let folder = ''
beforeAll(async () => {
  program = await buildProgram(source, 'write-records')
})
afterAll(() => {
  rmSync(program, { force: true })
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const shards = ['part-00000-of-00002', 'part-00001-of-00002']

const outcomeOf = (command: string, args: readonly string[]): Outcome => {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 })
  if (status !== 0) throw new Error(`status ${status}\n${stderr}`)
  return JSON.parse(stdout) as Outcome
}

/** A disk that we can fill takes a process with a file system of its own: in a user namespace, or as root. */
const namespace = ['-Urm', '-m'].find((flags) => spawnSync('unshare', [flags, 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', '/mnt']).status === 0)

describe('a disk that fills', () => {
  test('is told, and nothing is left', ({ skip }) => {
    if (namespace === undefined) return skipOrFail(skip, 'no file system can be mounted here: that takes user namespaces, or root')
    const script = 'mount -t tmpfs -o size=3m tmpfs "$1" && exec "$2" "$3" "$1/part" 20000'
    const { error, files } = outcomeOf('unshare', [namespace, 'sh', '-c', script, 'sh', folder, process.execPath, program])
    expect(error).toMatchObject({ tag: 'Storage', code: 'ENOSPC' })
    expect(error?.message).toMatch(/the disk is full .*part-0000\d-of-00002.*Free some space/)
    expect(files).toEqual([])
  })

  test('a file that may grow no more is told, and nothing is left', () => {
    // 2,000 blocks of 512 or of 1,024 bytes.
    const { error, files } = outcomeOf('sh', ['-c', 'ulimit -f 2000 && exec "$1" "$2" "$3" 20000', 'sh', process.execPath, program, join(folder, 'part')])
    expect(error).toMatchObject({ tag: 'Storage', code: 'EFBIG' })
    expect(files).toEqual([])
  })
})

describe('a process that is killed', () => {
  test('leaves nothing under the final names, and the next one writes them and removes what lies there half-written', async () => {
    const child = spawn(process.execPath, [program, join(folder, 'part')], { stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    try {
      // In the middle of writing: some of it has reached the disk.
      const written = () => readdirSync(folder).reduce((bytes, name) => bytes + statSync(join(folder, name)).size, 0)
      await expect.poll(written, { timeout: 30_000, interval: 20 }).toBeGreaterThan(1 << 20)
    } finally {
      child.kill('SIGKILL')
      await ended
    }
    expect(readdirSync(folder).filter((name) => !name.startsWith('.'))).toEqual([])
    const next = outcomeOf(process.execPath, [program, join(folder, 'part'), '1000'])
    expect(next.error).toBeNull()
    expect(next.files.filter((name) => !name.startsWith('.'))).toEqual(shards)
    if (process.platform === 'linux') expect(next.files.filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  test('leaves what was there before as it was', async () => {
    for (const name of shards) writeFileSync(join(folder, name), 'before')
    const child = spawn(process.execPath, [program, join(folder, 'part'), 'Infinity', 'replace'], { stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    await expect.poll(() => readdirSync(folder).length, { timeout: 30_000, interval: 20 }).toBeGreaterThan(2)
    child.kill('SIGKILL')
    await ended
    expect(shards.map((name) => statSync(join(folder, name)).size)).toEqual([6, 6])
  })
})
