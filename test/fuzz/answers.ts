import { gcsStorage, hdfsStorage, s3Storage, type ErrorTag, type Storage } from '@millrace/core'
import { parseRemoteException, remoteError } from '../../packages/core/src/storage/hdfs/remote-exception.js'
import { hivePiece, rowsOf } from '../../packages/formats/src/sql/hive/hive-rows.js'
import { decodeReply } from '../../packages/formats/src/sql/hive/thrift-reader.js'
import { ThriftScanner } from '../../packages/formats/src/sql/hive/thrift-scanner.js'
import { encode, type ThriftEncoded } from '../../packages/formats/src/sql/hive/thrift-writer.js'
import { orTyped, text, type FuzzedDecoder } from './fuzzed.js'

const bytesOf = (texts: readonly string[]): readonly Uint8Array[] => texts.map((one) => Buffer.from(one))

const refusals: readonly ErrorTag[] = ['Storage', 'NotFound', 'AlreadyExists', 'Limit', 'Usage']

/** Lists and looks at files of a storage whose server answers everything with the input, as a success or, of every other length, a refusal. */
const stored = (name: string, sound: readonly string[], open: () => Storage, glob: string, refusal: number | undefined): FuzzedDecoder => {
  let storage: Storage | undefined
  return {
    name,
    sound: () => bytesOf(sound),
    decode: async (input) => {
      storage ??= open()
      const status = refusal !== undefined && input.length % 2 === 0 ? refusal : 200
      const { fetch } = globalThis
      globalThis.fetch = () => Promise.resolve(new Response(Uint8Array.from(input), { status, headers: { 'content-length': String(input.length) } }))
      try {
        await orTyped(async () => void (await storage!.list!(glob)), refusals)
        await orTyped(async () => void (await storage!.stat(glob.replace('*', 'one'))), refusals)
      } finally {
        globalThis.fetch = fetch
      }
    },
  }
}

const s3Texts = [
  `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b&#x20;</NextContinuationToken>
<Contents><Key>x/%3Cy%3E+1.csv</Key><Size>17</Size></Contents><!-- none --><CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes></ListBucketResult>`,
  '<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>x/&lt;y&gt;.csv</Key><Size>9007199254740991</Size></Contents></ListBucketResult>',
  '<Error><Code>NoSuchKey</Code><Message>The key &quot;k&quot; does not exist.</Message><Region>eu-central-1</Region></Error>',
]

const gcsTexts = [
  '{"items":[{"name":"x/a.csv","size":"17"},{"name":"x/ü.csv","size":"0"}],"nextPageToken":"a/b=="}',
  '{"items":[],"size":"24930"}',
  '{"error":{"code":404,"message":"No such object: b/x","errors":[{"message":"No such object","domain":"global","reason":"notFound"}]}}',
]

const hdfsStatus = '"accessTime":0,"fileId":16387,"length":24930,"modificationTime":1320173277227,"owner":"webuser"'
const hdfsTexts = [
  `{"FileStatus":{${hdfsStatus},"pathSuffix":"","type":"FILE"}}`,
  `{"DirectoryListing":{"partialListing":{"FileStatuses":{"FileStatus":[{${hdfsStatus},"pathSuffix":"a.csv","type":"FILE"},{${hdfsStatus},"pathSuffix":"b","type":"DIRECTORY"}]}},"remainingEntries":0}}`,
  `{"DirectoryListing":{"partialListing":{"FileStatuses":{"FileStatus":[{${hdfsStatus},"pathSuffix":"%41+.csv","type":"FILE"}]}},"remainingEntries":7},"FileStatuses":{"FileStatus":[]}}`,
]
const hdfsRefusals = [
  '{"RemoteException":{"exception":"FileNotFoundException","javaClassName":"java.io.FileNotFoundException","message":"File does not exist: /foo/a.patch"}}',
  '{"RemoteException":{"exception":"SecurityException","message":"Failed to obtain user group information: InvalidToken: token=secret\\n\\tat org.apache"}}',
  '{"RemoteException":{"exception":"IOException","javaClassName":"x$y","message":"the name node is in safe mode"}}',
]

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

const hiveTags: readonly ErrorTag[] = ['BadRecord', 'Corrupt', 'Schema', 'Limit', 'Engine']

const hive: FuzzedDecoder = {
  name: 'hive',
  sound: () => [thriftReply()],
  decode: (input) =>
    orTyped(() => {
      const rows: unknown = rowsOf(hivePiece(decodeReply(input, 'FetchResults', 1).struct(3), 2))
      if (typeof rows !== 'object') throw new Error('no rows')
    }, hiveTags),
}

/** Without frames, the end of a message is found while it comes. */
const hiveFraming: FuzzedDecoder = {
  name: 'hive-framing',
  sound: hive.sound,
  decode: (input) =>
    orTyped(() => {
      const bytes = Buffer.from(input)
      const whole = new ThriftScanner().scan(bytes)
      const scanner = new ThriftScanner()
      let found: number | undefined
      for (let end = 1; end <= bytes.length && found === undefined; end++) found = scanner.scan(bytes.subarray(0, end))
      if (found !== whole) throw new Error(`a message that comes byte by byte ends at ${found}, at once at ${whole}`)
    }, hiveTags),
}

/** Answers of the servers that storages and Hive speak with. */
export const answerDecoders: readonly FuzzedDecoder[] = [
  stored('s3-answers', s3Texts, () => s3Storage({ endpoint: 'http://127.0.0.1:9', credentials: 'anonymous', tries: 1 }), 's3://b/x/*', 404),
  stored('gcs-answers', gcsTexts, () => gcsStorage({ endpoint: 'http://127.0.0.1:9', credentials: 'anonymous', tries: 1 }), 'gs://b/x/*', 404),
  // Refusals may pass and would be waited for: they are read below.
  stored('hdfs-answers', hdfsTexts, () => hdfsStorage({ user: 'fuzz' }), 'hdfs://127.0.0.1:9/x/*', undefined),
  {
    name: 'hdfs-refusals',
    sound: () => bytesOf(hdfsRefusals),
    decode: (input) => {
      const found = parseRemoteException(text(input))
      if (found === undefined) return
      const { _tag, message } = remoteError(found, 'hdfs://h/f')
      if (typeof _tag !== 'string' || /\btoken=secret/.test(message)) throw new Error(`an error of tag ${String(_tag)}: ${message}`)
    },
  },
  hive,
  hiveFraming,
]
