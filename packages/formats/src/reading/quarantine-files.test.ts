import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { field, type Position } from '@millrace/core'
import { quarantine, readCsv, readQuarantine, type RejectedRecord } from '../index.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-quarantine-files-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const recordsIn = async (file: string): Promise<readonly RejectedRecord[]> => {
  const records: RejectedRecord[] = []
  for await (const record of readQuarantine(file)) records.push(record)
  return records
}

const schema = { n: field.int32() }
const small = { schema, batchRows: 2 }

describe('the quarantine file of a reading', () => {
  it('has the bad records of files that are read at one time', async () => {
    const files = Array.from({ length: 8 }, (_, i) => join(folder, `${i}.csv`))
    for (const file of files) writeFileSync(file, `n\n${'x\n1\n'.repeat(3)}`)
    const url = join(folder, 'many.jsonl')
    let rows = 0
    for await (const batch of readCsv(files, { ...small, onBadRecord: quarantine(url), workers: 2, order: 'any' })) rows += batch.numRows
    const found = (await recordsIn(url)).map(({ source, record }) => `${source} ${record}`)
    expect([rows, new Set(found).size, found.length]).toEqual([24, 24, 24])
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('stays where the rest of the reading has none, or the source is gone', async () => {
    const file = join(folder, 'half.csv')
    writeFileSync(file, 'n\n1\nx\n2\n3\n4\n')
    const url = join(folder, 'half.jsonl')
    const stream = readCsv(file, { ...small, onBadRecord: quarantine(url) })
    let from: Position | undefined
    for await (const { position } of stream) {
      from = position
      break
    }
    expect(await recordsIn(url)).toMatchObject([{ record: 1 }])
    for await (const batch of stream.open({ from })) void batch
    expect(await recordsIn(url)).toHaveLength(1)
    rmSync(file)
    await expect(async () => {
      for await (const batch of stream) void batch
    }).rejects.toMatchObject({ _tag: 'NotFound' })
    expect(await recordsIn(url)).toHaveLength(1)
  })
})
