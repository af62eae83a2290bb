import { readdirSync, readFileSync } from 'node:fs'
import { deflateSync, gzipSync } from 'node:zlib'
import { hasTag, isMillraceError, type ErrorTag } from '@millrace/core'
import { encodeFrame, parseManifest, parseMetadataSchema, readRawRecords, TfRecordDecoder } from '@millrace/formats'
import { parseRemoteException } from '../../packages/core/src/storage/hdfs/remote-exception.js'
import { parseStatus } from '../../packages/core/src/storage/hdfs/file-status.js'
import { problemIn } from '../../packages/core/src/storage/s3/s3-error.js'
import { parseXml } from '../../packages/core/src/storage/s3/xml.js'
import { hivePiece, rowsOf } from '../../packages/formats/src/sql/hive/hive-rows.js'
import { decodeReply } from '../../packages/formats/src/sql/hive/thrift-reader.js'
import { encode, type ThriftEncoded } from '../../packages/formats/src/sql/hive/thrift-writer.js'
import { MemoryStorage } from '../conformance/memory-storage.js'
import { badRows, readers, type FileFormat, type ReaderUnderTest } from '../conformance/records.js'

/** A decoder, sound inputs to change, and what it may say of changed ones. */
export interface FuzzedDecoder {
  readonly name: string
  readonly sound: () => readonly Uint8Array[]
  /**
   * Decodes an input to its end.
   *
   * @throws what is wrong with the decoder; that it says what is wrong with the input is as it should be
   */
  readonly decode: (input: Uint8Array) => Promise<void> | void
}

/** Lets a decoder say what is wrong with its input, and nothing else: another error, or one that blames us, is a finding. */
const orTyped = async (work: () => Promise<void> | void, tags: readonly ErrorTag[] = ['BadRecord', 'Corrupt', 'Schema', 'Limit']): Promise<void> => {
  try {
    await work()
  } catch (error) {
    if (!isMillraceError(error) || !tags.some((tag) => hasTag(error, tag))) throw error
  }
}

const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

let storage: MemoryStorage | undefined

/** Reads a file with a reader, in chunks of a few bytes or whole, as the input's length has it; bad records fail or are skipped. */
const readWhole = async ({ read, extension }: Pick<ReaderUnderTest, 'read' | 'extension'>, input: Uint8Array): Promise<void> => {
  storage ??= new MemoryStorage()
  storage.chunkBytes = input.length % 3 === 0 ? 7 : 1 << 20
  const url = storage.put(`fuzzed.${extension}`, input)
  await orTyped(async () => {
    for await (const batch of read(url, { onBadRecord: input.length % 2 === 0 ? 'skip' : 'fail' })) for (let row = 0; row < batch.numRows; row++) batch.row(row)
  })
  if (storage.open !== 0) throw new Error('the file was left open')
}

const readerOf = (format: FileFormat): ReaderUnderTest => readers.find((reader) => reader.format === format)!

const fileDecoder = (name: string, format: FileFormat, more: () => readonly Uint8Array[] = () => []): FuzzedDecoder => {
  const reader = readerOf(format)
  return { name, sound: () => [reader.file([]), reader.file(badRows), ...more()], decode: (input) => readWhole(reader, input) }
}

const payloads = ['first', '', 'x'.repeat(300), 'last'].map((payload) => Buffer.from(payload))

/** Payloads that come out must have gone in: a change that both checksums let pass would be seen here. */
const framing: FuzzedDecoder = {
  name: 'tfrecord',
  sound: () => [Buffer.concat(payloads.map(encodeFrame))],
  decode: (input) =>
    orTyped(() => {
      const decoder = new TfRecordDecoder()
      decoder.push(input)
      for (;;) {
        try {
          if (!decoder.next()) break
        } catch (error) {
          if (hasTag(error, 'BadRecord')) continue
          throw error
        }
        const payload = decoder.bytes.subarray(decoder.start, decoder.end)
        if (!payloads.some((sound) => sound.equals(payload))) throw new Error(`a payload came out that never went in: ${Buffer.from(payload).toString('hex').slice(0, 100)}`)
      }
      decoder.finish()
    }),
}

/** The payloads of a file, each of which is changed and framed again, so that its checksums hold. */
const payloadDecoder = (name: string, format: FileFormat): FuzzedDecoder => {
  const reader = readerOf(format)
  const sound = (): readonly Uint8Array[] => {
    const found: Uint8Array[] = []
    for (const bad of [[], badRows]) {
      const decoder = new TfRecordDecoder()
      decoder.push(reader.file(bad))
      while (decoder.next()) found.push(decoder.bytes.slice(decoder.start, decoder.end))
    }
    return found
  }
  return { name, sound, decode: (input) => readWhole(reader, Buffer.concat([encodeFrame(input), encodeFrame(input)])) }
}

const inflation: FuzzedDecoder = {
  name: 'inflate',
  sound: () => [readerOf('TFRecord of Example').file([]), Buffer.alloc(100_000)].flatMap((bytes) => [gzipSync(bytes), deflateSync(bytes)]),
  decode: async (input) => {
    storage ??= new MemoryStorage()
    const url = storage.put('fuzzed.gz', input)
    await orTyped(async () => {
      for await (const batch of readRawRecords(url, { compression: input.length % 2 === 0 ? 'gzip' : 'zlib' })) for (let row = 0; row < batch.numRows; row++) batch.row(row)
    })
    if (storage.open !== 0) throw new Error('the file was left open')
  },
}

const int32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeInt32BE(value)
  return out
}
const thriftList = (type: number, values: readonly Uint8Array[]): ThriftEncoded => ({ type: 15, bytes: Buffer.concat([Buffer.of(type), int32(values.length), ...values]) })
const thriftReply = (): Buffer => {
  const values = [encode.struct({ 4: encode.struct({ 1: thriftList(8, [1, -2, 3].map(int32)), 2: encode.string(Buffer.of(2)) }) }), encode.struct({ 7: encode.struct({ 1: thriftList(11, ['', 'ü€😀', 'x'].map((value) => encode.string(value).bytes)), 2: encode.string(Buffer.of(0)) }) })]
  const rows = encode.struct({ 1: encode.i64(0), 2: thriftList(12, []), 3: thriftList(12, values.map(({ bytes }) => bytes)) })
  const body = encode.struct({ 1: encode.struct({ 1: encode.i32(0) }), 2: encode.bool(false), 3: rows })
  return Buffer.concat([Buffer.of(0x80, 1, 0, 2), int32(12), Buffer.from('FetchResults'), int32(1), encode.struct({ 0: body }).bytes])
}

const thrift: FuzzedDecoder = {
  name: 'hive',
  sound: () => [thriftReply()],
  decode: (input) =>
    orTyped(() => {
      const { rows } = { rows: rowsOf(hivePiece(decodeReply(input, 'FetchResults', 1).struct(3), 2)) }
      if (!Array.isArray(rows) && typeof rows !== 'object') throw new Error('no rows')
    }, ['BadRecord', 'Corrupt', 'Schema', 'Limit', 'Engine']),
}

const s3Answer = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b&#x20;</NextContinuationToken>
<Contents><Key>x/&lt;y&gt;.csv</Key><Size>17</Size></Contents><!-- none --><CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes></ListBucketResult>`
const s3Refusal = '<Error><Code>NoSuchKey</Code><Message>The key &quot;k&quot; does not exist.</Message><Region>eu-central-1</Region></Error>'

const hdfsAnswer = '{"FileStatus":{"accessTime":0,"fileId":16387,"length":24930,"modificationTime":1320173277227,"owner":"webuser","pathSuffix":"a.patch","type":"FILE"}}'
const hdfsRefusal = '{"RemoteException":{"exception":"FileNotFoundException","javaClassName":"java.io.FileNotFoundException","message":"File does not exist: /foo/a.patch"}}'

const metadata = `feature { name: "a" type: INT presence { min_fraction: 1.0 min_count: 1 } shape { dim { size: 3 } } int_domain { min: -1 max: 7 } }
feature { name: "b" type: BYTES value_count { min: 0 max: 9 } domain: "d" } # comment
string_domain { name: "d" value: "x\\n\\303\\274" value: 'y' }
sparse_feature { name: "s" index_feature { name: "a" } value_feature { name: "b" } }`

const manifest = '{"format":"millrace.tfrecord","version":1,"holds":"examples","compression":"none","rows":3,"shards":[{"file":"a-00000-of-00001","rows":3}],"columns":[{"name":"a","kind":"int64"}]}'

const goldens = new URL('../goldens/parquet/', import.meta.url)
/** Parquet files of every codec, but for the long ones: a fuzzed input should be small. */
const parquetGoldens = (): readonly Uint8Array[] => readdirSync(goldens).filter((name) => name.endsWith('.parquet')).sort().map((name) => readFileSync(new URL(name, goldens))).filter(({ length }) => length < 20_000)

/** Every decoder that bytes of others reach. */
export const decoders: readonly FuzzedDecoder[] = [
  framing,
  payloadDecoder('example', 'TFRecord of Example'),
  payloadDecoder('sequence-example', 'TFRecord of SequenceExample'),
  fileDecoder('csv', 'CSV', () => [Buffer.from('"a""b","c\nd",1,2\r\n,,,\r\n')]),
  fileDecoder('json-lines', 'JSON lines'),
  fileDecoder('json-array', 'JSON array'),
  fileDecoder('arrow-file', 'Arrow file'),
  fileDecoder('arrow-stream', 'Arrow stream'),
  fileDecoder('parquet', 'Parquet', parquetGoldens),
  inflation,
  thrift,
  { name: 's3-xml', sound: () => [s3Answer, s3Refusal].map((answer) => Buffer.from(answer)), decode: (input) => void problemIn(parseXml(text(input)), 400) },
  {
    name: 'hdfs-json',
    sound: () => [hdfsAnswer, hdfsRefusal].map((answer) => Buffer.from(answer)),
    decode: async (input) => {
      parseRemoteException(text(input))
      let answer: unknown
      try {
        answer = JSON.parse(text(input))
      } catch {
        return
      }
      await orTyped(() => void parseStatus((answer as { readonly FileStatus?: unknown } | null)?.FileStatus, 'hdfs://h/f'), ['Storage'])
    },
  },
  { name: 'metadata', sound: () => [Buffer.from(metadata)], decode: (input) => orTyped(() => void parseMetadataSchema(text(input))) },
  { name: 'manifest', sound: () => [Buffer.from(manifest)], decode: (input) => orTyped(() => void parseManifest(text(input), 'manifest')) },
]

/** Decoders with faults, to see that the campaign finds them; named only, never part of a campaign. */
export const planted: readonly FuzzedDecoder[] = [
  { name: 'planted-error', sound: () => [Buffer.from('x'.repeat(50))], decode: (input) => { if (input.includes(0xff)) throw new TypeError('a planted error') } },
  { name: 'planted-hang', sound: () => [Buffer.from('x'.repeat(50))], decode: (input) => { while (input.includes(0xff)) continue } },
  { name: 'planted-crash', sound: () => [Buffer.from('x'.repeat(50))], decode: (input) => { if (input.includes(0xff)) process.kill(process.pid, 'SIGKILL') } },
  { name: 'planted-memory', sound: () => [Buffer.from('x'.repeat(50))], decode: (input) => { if (input.includes(0xff)) Buffer.alloc(2 ** 30 + 2 ** 27, 1) } },
]
