import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { readBytes, type BytesColumn, type ColumnMap } from '@millrace/core'
import { readRawRecords, TfRecordDecoder } from '@millrace/formats'
import { inflated } from '../../packages/formats/src/compression/index.js'
import { Digester, type Digest } from '../harness/digest.js'
import { timed, type Cost } from '../harness/measure.js'

/** What the gzip suite asks of a contender. */
export interface GzipCommand {
  readonly do: 'check' | 'read'
  readonly file: string
  /** Records of the file, or bytes where these are all that is looked at. */
  readonly rows: number
}

interface GzipContender {
  check(command: GzipCommand): Promise<Digest>
  read(command: GzipCommand): Promise<Cost>
}

const requireRows = (seen: number, due: number): void => {
  if (seen !== due) throw new Error(`read ${seen} records of ${due}`)
}

const ours: GzipContender = {
  check: async ({ file }) => {
    const digester = new Digester()
    for await (const batch of readRawRecords(file)) {
      digester.rows += batch.numRows
      const { bytes, offsets, length } = (batch.columns as ColumnMap)['record'] as BytesColumn
      digester.addStrings('record', bytes.subarray(offsets[0], offsets[length]), Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
    }
    return digester.digest()
  },
  read: ({ file, rows }) =>
    timed(async () => {
      let seen = 0
      for await (const batch of readRawRecords(file)) seen += batch.numRows
      requireRows(seen, rows)
    }),
}

/** A file through Node's stream as anybody would write it, and then our own decoder: framing and both checksums are the same work for both. */
const throughNode = async (file: string, take: (records: TfRecordDecoder) => void): Promise<void> => {
  const records = new TfRecordDecoder({ source: file })
  for await (const chunk of createReadStream(file).pipe(createGunzip()) as AsyncIterable<Buffer>) {
    records.push(chunk)
    while (records.next()) take(records)
  }
  records.finish()
}

const node: GzipContender = {
  check: async ({ file }) => {
    const payloads: Buffer[] = []
    await throughNode(file, ({ bytes, start, end }) => payloads.push(Buffer.from(bytes.subarray(start, end))))
    const digester = new Digester()
    digester.rows = payloads.length
    digester.addStrings('record', Buffer.concat(payloads), Int32Array.from(payloads, ({ length }) => length))
    return digester.digest()
  },
  read: ({ file, rows }) =>
    timed(async () => {
      let seen = 0
      await throughNode(file, () => seen++)
      requireRows(seen, rows)
    }),
}

/** Bytes alone, unread: what both do beside it hides what inflating takes. */
const bytesOf = (inflate: (file: string) => AsyncIterable<Uint8Array>): GzipContender => ({
  check: async ({ file }) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of inflate(file)) chunks.push(chunk.slice())
    const bytes = Buffer.concat(chunks)
    const digester = new Digester()
    digester.rows = bytes.length
    digester.addStrings('bytes', bytes, Int32Array.of(bytes.length))
    return digester.digest()
  },
  read: ({ file, rows }) =>
    timed(async () => {
      let seen = 0
      for await (const chunk of inflate(file)) seen += chunk.length
      requireRows(seen, rows)
    }),
})

/** Contenders that run on Node, by the names that they are started with. */
export const gzipContenders: { readonly [name: string]: GzipContender } = {
  'gzip ours': ours,
  'gzip node': node,
  // As the readers have it: a chunk is good until the next one is asked for.
  'gzip bytes ours': bytesOf((file) => inflated(readBytes(file, { reuse: true }), 'gzip', file, { reuse: true })),
  'gzip bytes node': bytesOf((file) => createReadStream(file).pipe(createGunzip())),
}
