import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { collect, field, fromRows, hasTag, pipe, run, type Stream } from '@millrace/core'
import { readCsv, readTfRecords, writeCsv, writeTfRecords } from '@millrace/formats'
import { buildProgram } from '../support/program.js'

/** Writes, and kills itself before a change of the file system, by its number. */
const source = `
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { field, fromRows, pipe, run } from '@millrace/core'
import { writeCsv, writeTfRecords } from '@millrace/formats'

const [kind, out, ifExists, at] = process.argv.slice(2)
let changes = 0
for (const name of ['rename', 'link', 'unlink', 'rm']) {
  const change = fs[name]
  fs[name] = async (...args) => {
    if (++changes === Number(at)) process.kill(process.pid, 'SIGKILL')
    return change(...args)
  }
}
syncBuiltinESMExports()
const rows = fromRows({ id: field.int32(), job: field.utf8() }, Array.from({ length: 6 }, (_, id) => ({ id, job: 'new' })))
await run(pipe(rows, kind === 'tfrecord' ? writeTfRecords(out, { shards: 2, ifExists }) : writeCsv(out, { partitionBy: [], shards: 2, ifExists })))
`

const schema = { id: field.int32(), job: field.utf8() }
// As many rows, of as many bytes: sizes tell nothing.
const old = fromRows(schema, Array.from({ length: 6 }, (_, id) => ({ id, job: 'old' })))

let program = ''
let folder = ''
beforeAll(async () => {
  program = await buildProgram(source, 'killed-commits')
})
afterAll(() => rmSync(program, { force: true }))
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-killed-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** How many rows of each job are read, or the code of the error. */
const seen = async (stream: Stream<typeof schema>): Promise<string> => {
  try {
    const jobs = (await run(pipe(stream, collect()))).map(({ job }) => job)
    return ['old', 'new'].map((job) => `${jobs.filter((found) => found === job).length} ${job}`).join(', ')
  } catch (error) {
    if (hasTag(error, 'Corrupt', 'NotFound')) return error.code
    throw error
  }
}

const whole = ['6 old, 0 new', '0 old, 6 new']

/** Kills the writer before each change of the file system that it makes, and gives what is read each time. */
const killedAnywhere = async (kind: string, ifExists: string, prepare: () => Promise<unknown>, read: () => Promise<readonly string[]>): Promise<readonly (readonly string[])[]> => {
  const all: (readonly string[])[] = []
  for (let at = 1; ; at++) {
    rmSync(folder, { recursive: true, force: true })
    await prepare()
    const { signal, status, stderr } = spawnSync(process.execPath, [program, kind, join(folder, 'out'), ifExists, String(at)], { encoding: 'utf8', timeout: 60_000 })
    if (status !== 0 && signal !== 'SIGKILL') throw new Error(`status ${status}\n${stderr}`)
    all.push(await read())
    if (status === 0) return all
  }
}

describe('a writer that is killed between any two changes of its commit', () => {
  test('leaves shards that are all old, all new, or refused', async () => {
    const out = join(folder, 'out')
    const read = (): Promise<readonly string[]> => Promise.all([`${out}@2`, `${out}@*`, `${out}-*`, folder].map((from) => seen(readTfRecords(from, { schema }))))
    const all = await killedAnywhere('tfrecord', 'replace', () => run(pipe(old, writeTfRecords(out, { shards: 2 }))), read)
    for (const [first, ...others] of all) {
      expect([...whole, 'SET_NOT_WHOLE']).toContain(first)
      for (const other of others) expect(other).toBe(first)
    }
    expect(new Set(all.flat())).toEqual(new Set([...whole, 'SET_NOT_WHOLE']))
  })

  test('leaves a folder that is all old, all new, or refused', async () => {
    const out = join(folder, 'out')
    const read = async (): Promise<readonly string[]> => [
      ...(await Promise.all([out, `${out}/part-*`].map((from) => seen(readCsv(from, { schema }))))),
      existsSync(join(out, '_SUCCESS')) && !existsSync(join(out, '_COMMITTING')) ? 'done' : 'not done',
    ]
    const all = await killedAnywhere('csv', 'replace', () => run(pipe(old, writeCsv(out, { partitionBy: [], shards: 2 }))), read)
    for (const [first, second, done] of all) {
      expect([...whole, 'SET_NOT_WHOLE']).toContain(first)
      expect(second).toBe(first)
      if (done === 'done') expect(whole).toContain(first)
    }
    expect(new Set(all.flat())).toEqual(new Set([...whole, 'SET_NOT_WHOLE', 'done', 'not done']))
  })

  test('leaves a folder that it adds to without what it adds, with all of it, or refused; and nobody adds to that', async () => {
    const out = join(folder, 'out')
    const read = async (): Promise<readonly string[]> => {
      const before = await seen(readCsv(out, { schema }))
      if (before !== 'SET_NOT_WHOLE') return [before]
      await expect(run(pipe(old, writeCsv(out, { partitionBy: [], ifExists: 'append' })))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'SET_NOT_WHOLE' })
      await run(pipe(old, writeCsv(out, { partitionBy: [], ifExists: 'replace' })))
      expect(readdirSync(out).filter((name) => !name.startsWith('.'))).toEqual(['_SUCCESS', 'part-00000.csv'])
      expect(await seen(readCsv(out, { schema, requireSuccess: true }))).toBe('6 old, 0 new')
      return [before]
    }
    const all = await killedAnywhere('csv', 'append', () => run(pipe(old, writeCsv(out, { partitionBy: [], shards: 2 }))), read)
    expect(new Set(all.flat())).toEqual(new Set(['6 old, 0 new', 'SET_NOT_WHOLE', '6 old, 6 new']))
  })
})
