import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, Tally, type Stream } from '@millrace/core'
import { quarantine, readCsv, readJson, readQuarantine, readRawRecords, writeRawRecords, type RejectedRecord } from '@millrace/formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { badRows, readers, rows, schema, type FileFormat, type ReaderUnderTest, type Record } from './records.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-replay-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** What the bad records have as their id: 2⁴⁰, as text and as a varint. */
const BEYOND = String(2 ** 40)
const BEYOND_VARINT = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x20])

const text = ({ raw, encoding }: RejectedRecord): string => new TextDecoder(encoding, { fatal: true }).decode(raw)
const mendedText = (record: RejectedRecord): string => text(record).trim().replace(BEYOND, String(record.record))

/** The payload with a varint of as many bytes, which says the index of the record. */
const mendedPayload = ({ raw, record }: RejectedRecord): Uint8Array => {
  const payload = Buffer.from(raw!)
  const at = payload.indexOf(BEYOND_VARINT)
  expect(at).toBeGreaterThan(0)
  payload.set([0x80 | record, 0x80, 0x80, 0x80, 0x80, 0x00], at)
  return payload
}

type Replay = (reader: ReaderUnderTest, target: string, records: readonly RejectedRecord[]) => Stream<typeof schema> | Promise<Stream<typeof schema>>

const asLines: Replay = (_, target, records) => {
  writeFileSync(target, records.map(mendedText).join('\n'))
  return readJson(target, { schema })
}

const asRecords: Replay = async (reader, target, records) => {
  await run(pipe(fromRows({ record: field.binary() }, records.map((record) => ({ record: mendedPayload(record) }))), writeRawRecords(target, { compression: 'gzip' })))
  return reader.read(`${target}@1`)
}

const replays: { readonly [F in FileFormat]: Replay } = {
  CSV: (reader, target, records) => {
    writeFileSync(target, ['further,score,name,id', ...records.map(mendedText), ''].join('\n'))
    return reader.read(target)
  },
  'JSON lines': asLines,
  'JSON array': (reader, target, records) => {
    writeFileSync(target, `[${records.map(mendedText).join(',')}]`)
    return reader.read(target)
  },
  'TFRecord of Example': asRecords,
  'TFRecord of SequenceExample': asRecords,
  'Arrow file': asLines,
  'Arrow stream': asLines,
  Parquet: asLines,
}

describe('a quarantine', () => {
  it.each(readers.flatMap((reader) => [0, 1].map((workers) => [reader.name, workers, reader] as const)))('of %s with %i workers is mended and read again, and nothing is lost', async (_, workers, reader) => {
    const name = join(folder, `${reader.format} ${workers}`)
    const source = `${name}.${reader.extension}`
    writeFileSync(source, reader.file(badRows))
    const tally = new Tally()
    const good: Record[] = []
    for await (const batch of reader.read(source, { onBadRecord: quarantine(`${name}.rejected`), workers, batchRows: 3 }).open({ tally })) good.push(...Array.from({ length: batch.numRows }, (_, row) => batch.row(row)))
    const rejected: RejectedRecord[] = []
    for await (const record of readQuarantine(`${name}.rejected`)) rejected.push(record)
    expect(tally.summary()).toMatchObject({ read: rows.length, delivered: good.length, rejected: rejected.length })
    expect(rejected.map(({ encoding }) => encoding)).toEqual(badRows.map(() => (reader.format.startsWith('TFRecord') ? undefined : 'utf-8')))
    const mended = await run(pipe(await replays[reader.format](reader, `${name}.mended`, rejected), collect()))
    expect(mended).toHaveLength(rejected.length)
    expect([...good, ...mended].sort((a, b) => a.id - b.id)).toEqual(rows)
  })

  it('of text in another encoding holds it in UTF-8, and says so', async () => {
    const source = join(folder, 'latin1.csv')
    writeFileSync(source, Buffer.from('id,name\n1,é\nx,éé\n', 'latin1'))
    const rejected: RejectedRecord[] = []
    const fields = { id: field.int32(), name: field.utf8() }
    expect(await run(pipe(readCsv(source, { schema: fields, encoding: 'latin1', onBadRecord: quarantine((record) => void rejected.push(record)) }), collect()))).toEqual([{ id: 1, name: 'é' }])
    expect(rejected.map((record) => [record.encoding, record.byte, text(record)])).toEqual([['utf-8', Buffer.byteLength('id,name\n1,é\n'), 'x,éé\n']])
  })
})

describe('writeRawRecords', () => {
  it('writes the bytes that it is given, in turn to its shards', async () => {
    const payloads = Array.from({ length: 100 }, (_, i) => ({ record: new Uint8Array(i * 31).fill(i) }))
    const report = await run(pipe(fromRows({ record: field.binary() }, payloads), writeRawRecords(join(folder, 'raw'), { shards: 3 })))
    expect(report).toMatchObject({ rows: 100, files: [0, 1, 2].map((shard) => join(folder, `raw-0000${shard}-of-00003`)) })
    const read: unknown[][] = []
    for (let shard = 0; shard < 3; shard++) read.push(await run(pipe(readRawRecords(report.files[shard]!), collect())))
    expect(read).toEqual([0, 1, 2].map((shard) => payloads.filter((_, i) => i % 3 === shard)))
  })

  it('refuses what is no column of bytes', async () => {
    for (const record of [field.utf8(), field.nullable(field.binary())]) {
      await expect(run(pipe(fromRows({ record } as never, []), writeRawRecords(join(folder, 'refused'))))).rejects.toMatchObject({ _tag: 'Schema', code: 'NOT_RAW_RECORDS' })
    }
    await expect(run(pipe(fromRows({ other: field.binary() } as never, []), writeRawRecords(join(folder, 'refused'))))).rejects.toMatchObject({ _tag: 'Schema' })
  })
})
