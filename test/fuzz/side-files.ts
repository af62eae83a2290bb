import { readQuarantine } from '@millrace/core'
import { encodeFrame, parseManifest, parseMetadataSchema } from '@millrace/formats'
import { decodeTokenFile } from '../../packages/core/src/storage/hdfs/delegation-token.js'
import { parseHadoopXml, propertyOf } from '../../packages/core/src/storage/hdfs/hadoop-config.js'
import { parseFeaturesJson } from '../../packages/core/src/features/features-json.js'
import { FrameScanner } from '../../packages/formats/src/record-index/frame-scanner.js'
import { decodeIndex, encodeIndex } from '../../packages/formats/src/record-index/index-file.js'
import { parseJsonArray } from '../../packages/formats/src/sql/json-array.js'
import { parsePostgresArray } from '../../packages/formats/src/sql/postgres-array.js'
import { parseSqlDate, parseSqlMicros } from '../../packages/formats/src/sql/sql-time.js'
import { crc32c } from '../../packages/formats/src/tfrecord/crc32c.js'
import { writeWord } from '../../packages/formats/src/tfrecord/frame.js'
import { orTyped, text, withFiles, type FuzzedDecoder } from './fuzzed.js'

const bytesOf = (...texts: readonly string[]): readonly Uint8Array[] => texts.map((one) => Buffer.from(one))

const metadata = `feature { name: "a" type: INT presence { min_fraction: 1.0 min_count: 1 } shape { dim { size: 3 } } int_domain { min: -1 max: 7 } }
feature { name: "b" type: BYTES value_count { min: 0 max: 9 } domain: "d" } # comment
string_domain { name: "d" value: "x\\n\\303\\274" value: 'y' }
sparse_feature { name: "s" index_feature { name: "a" } value_feature { name: "b" } }`

const manifest = '{"format":"millrace.tfrecord","version":1,"holds":"examples","compression":"none","rows":3,"shards":[{"file":"a-00000-of-00001","rows":3}],"columns":[{"name":"a","kind":"int64"}]}'

const rejected = '{"source":"a.csv","record":3,"byte":17,"column":"n","code":"BAD_TEXT","reason":"no number","raw":"YSxi"}'

const fitted = JSON.stringify({
  format: 'millrace.features', version: 1, rows: 3,
  features: [{ kind: 'oneHot', name: 'a', from: 'a', role: 'input', params: {}, state: ['x', 1e3], input: { kind: 'utf8', nullable: false, params: {} }, output: { kind: 'int64', nullable: true, params: {} }, inner: null }],
})

const hadoop = `<?xml version="1.0"?><!-- of a cluster --><configuration><property><name>fs.defaultFS</name><value>hdfs://\${host}:9&amp;&#65;</value><final>true</final></property>
<property><name>host</name><value>\${env.NOWHERE}</value></property><property><value><![CDATA[\${host}]]></value><name>two</name></property></configuration>`

const identity = { size: 3 * 16 + 600, fingerprint: 77 }
/** An index whose checksum holds again, so that what it says is believed. */
const checked = (input: Uint8Array): Uint8Array => {
  const bytes = Uint8Array.from(input)
  if (bytes.length >= 4) writeWord(bytes, bytes.length - 4, crc32c(bytes, 0, bytes.length - 4))
  return bytes
}

const index: FuzzedDecoder = {
  name: 'record-index',
  sound: () => [encodeIndex(identity, Float64Array.of(0, 16, 16 + 316, 648))],
  decode: (input) => {
    const starts = decodeIndex(checked(input), identity)
    if (starts?.every((start, i) => i === 0 ? start === 0 : start >= starts[i - 1]! + 16) === false) throw new Error(`records begin at ${starts.join()}`)
  },
}

const frames = Buffer.concat(['first', '', 'x'.repeat(300)].map((payload) => encodeFrame(Buffer.from(payload))))
const scanning: FuzzedDecoder = {
  name: 'record-scanner',
  sound: () => [frames],
  decode: (input) =>
    orTyped(() => {
      const [whole, pieces] = [new FrameScanner('f', 1 << 20), new FrameScanner('f', 1 << 20)]
      for (let at = 0; at < input.length; at += 5) pieces.push(input.subarray(at, at + 5))
      const starts = pieces.finish()
      whole.push(input)
      if (whole.finish().join() !== starts.join()) throw new Error('frames depend on the chunks')
    }),
}

/** Texts of cells. What is none is told by an error that the reader makes one of the row of. */
const cells: FuzzedDecoder = {
  name: 'sql-texts',
  sound: () => bytesOf('{1,NULL,"with \\"quotes\\""}', '[2:3]={{a,b},{c,NULL}}', '[1,null,"with \\"quotes\\"",-1.5e3,true]', '2026-11-24', '2026-11-24 23:59:59.123456+05:30', '0044-03-15 10:00:00 BC'),
  decode: (input) => {
    for (const parse of [parsePostgresArray, parseJsonArray, parseSqlDate, parseSqlMicros, (value: string) => parseSqlMicros(value, 'Europe/Berlin')]) {
      try {
        parse(text(input))
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'ConversionError') throw error
      }
    }
  },
}

/** A file of tokens in Hadoop's own form, of one token. */
const tokenFile = Buffer.concat([Buffer.from('HDTS\0\x01\x01a', 'latin1'), ...['identity', 'password', 'WEBHDFS delegation', '127.0.0.1:9870'].map((part) => Buffer.from(String.fromCharCode(part.length) + part))])
const tokenMessage = Buffer.concat([Buffer.from('HDTS\x01', 'latin1'), Buffer.from([16, 10, 14, 10, 1, 97, 18, 9, 10, 1, 98, 18, 1, 99, 26, 1, 100])])

/** Files beside the data: schemas, manifests, indexes, quarantines, configurations; and the texts in which databases give values. */
export const sideFileDecoders: readonly FuzzedDecoder[] = [
  { name: 'metadata', sound: () => bytesOf(metadata), decode: (input) => orTyped(() => void parseMetadataSchema(text(input))) },
  { name: 'manifest', sound: () => bytesOf(manifest), decode: (input) => orTyped(() => void parseManifest(text(input), 'manifest')) },
  index,
  scanning,
  {
    name: 'quarantine',
    sound: () => bytesOf(`${rejected}\n${rejected.replace('"YSxi"', 'null')}\n`, rejected),
    decode: (input) =>
      withFiles(input, (files) =>
        orTyped(async () => {
          for await (const record of readQuarantine(files.put('bad.jsonl', input))) {
            if (typeof record.source !== 'string' || typeof record.record !== 'number' || !(record.raw === undefined || record.raw instanceof Uint8Array)) throw new Error('what came out is no record')
          }
        })),
  },
  { name: 'features', sound: () => bytesOf(fitted), decode: (input) => orTyped(() => void parseFeaturesJson(text(input))) },
  { name: 'hadoop-tokens', sound: () => [tokenFile, tokenMessage], decode: (input) => orTyped(() => void decodeTokenFile(input)) },
  {
    name: 'hadoop-config',
    sound: () => bytesOf(hadoop),
    decode: (input) => {
      const config = parseHadoopXml(text(input))
      for (const name of config.keys()) propertyOf(config, name, {})
    },
  },
  cells,
]
