import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { field, fromRows, pipe, run } from '@millrace/core'
import { writeTfRecords } from '@millrace/formats'

const ROWS = 20_000
const FILES = 6

/** What a script does that has nothing else to keep it alive: the packages as they are built, since threads run files of theirs. */
const script = `
import { field } from '@millrace/core'
import { readTfRecords } from '@millrace/formats'
const [files, workers] = process.argv.slice(1)
let rows = 0
for (let again = 0; again < 4; again++) {
  for await (const batch of readTfRecords(JSON.parse(files), { schema: { id: field.int64() }, workers: Number(workers), splitBytes: 65536, batchRows: 100 })) rows += batch.numRows
}
// Threads live on for the next reading, but do not keep the process alive.
console.log(rows, process.getActiveResourcesInfo().filter((name) => /Port|Worker|Timeout/.test(name)).length)
`

let folder = ''
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-lives-'))
  const rows = fromRows({ id: field.int64(), text: field.utf8() }, Array.from({ length: ROWS }, (_, id) => ({ id: BigInt(id), text: 'some text' })))
  await run(pipe(rows, writeTfRecords(join(folder, 'part'))))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a process that only reads', () => {
  test.each([0, 1, 2, 3])('lives until all is read and no longer, with %i workers', (workers) => {
    const files = JSON.stringify(Array.from({ length: FILES }, () => join(folder, 'part-00000-of-00001')))
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script, files, String(workers)], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)), encoding: 'utf8', timeout: 60_000,
    })
    expect({ stdout, stderr, status }).toEqual({ stdout: `${4 * FILES * ROWS} 0\n`, stderr: '', status: 0 })
  }, 60_000)
})
