import { readdirSync, readFileSync } from 'node:fs'
import { deflateSync, gzipSync } from 'node:zlib'
import { hasTag, type Stream } from '@millrace/core'
import { encodeFrame, readArrow, readParquet, readRawRecords, TfRecordDecoder } from '@millrace/formats'
import { badRows, readers, type FileFormat, type ReaderUnderTest } from '../conformance/records.js'
import { answerDecoders } from './answers.js'
import { callDecoders } from './calls.js'
import { orTyped, withFiles, type FuzzedDecoder } from './fuzzed.js'
import { modelDecoders } from './models.js'
import { packedDecoders } from './packed.js'
import { sideFileDecoders } from './side-files.js'

/** Reads a file with a reader; bad records fail or are skipped, as the input's length has it. */
const readWhole = ({ read, extension }: Pick<ReaderUnderTest, 'read' | 'extension'>, input: Uint8Array): Promise<void> =>
  withFiles(input, (files) =>
    orTyped(async () => {
      const url = files.put(`fuzzed.${extension}`, input)
      for await (const batch of read(url, { onBadRecord: input.length % 2 === 0 ? 'skip' : 'fail' })) for (let row = 0; row < batch.numRows; row++) batch.row(row)
    }))

const readerOf = (format: FileFormat): ReaderUnderTest => readers.find((reader) => reader.format === format)!

const fileDecoder = (name: string, format: FileFormat, more: () => readonly Uint8Array[] = () => []): FuzzedDecoder => {
  const reader = readerOf(format)
  return { name, sound: () => [reader.file([]), reader.file(badRows), ...more()], decode: (input) => readWhole(reader, input) }
}

const goldens = new URL('../goldens/', import.meta.url)
/** What a peer wrote, but for the long ones: a fuzzed input should be small. */
const written = (extension: string, ...topics: readonly string[]): readonly Uint8Array[] => topics.flatMap((topic) => {
  const folder = new URL(`${topic}/`, goldens)
  return readdirSync(folder).filter((name) => name.endsWith(`.${extension}`)).sort().map((name) => readFileSync(new URL(name, folder))).filter(({ length }) => length < 20_000)
})

/** The same for a format whose files tell their columns, all of which are read: a schema would leave most of a file alone. */
const tellingDecoder = (name: string, format: FileFormat, read: (source: string, options: { readonly onBadRecord: 'skip' | 'fail' }) => Stream, more: () => readonly Uint8Array[]): FuzzedDecoder => {
  const decoder = fileDecoder(name, format, more)
  const { extension } = readerOf(format)
  return {
    ...decoder,
    decode: async (input) => {
      await readWhole({ read: read as ReaderUnderTest['read'], extension }, input)
      await decoder.decode(input)
    },
  }
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
  decode: (input) =>
    withFiles(input, (files) =>
      orTyped(async () => {
        const url = files.put('fuzzed.gz', input)
        for await (const batch of readRawRecords(url, { compression: input.length % 2 === 0 ? 'gzip' : 'zlib' })) for (let row = 0; row < batch.numRows; row++) batch.row(row)
      })),
}

/** Every decoder that bytes of others reach. */
export const decoders: readonly FuzzedDecoder[] = [
  framing,
  payloadDecoder('example', 'TFRecord of Example'),
  payloadDecoder('sequence-example', 'TFRecord of SequenceExample'),
  fileDecoder('csv', 'CSV', () => [Buffer.from('"a""b","c\nd",1,2\r\n,,,\r\n')]),
  fileDecoder('json-lines', 'JSON lines'),
  fileDecoder('json-array', 'JSON array'),
  tellingDecoder('arrow-file', 'Arrow file', readArrow, () => written('arrow', 'nested')),
  tellingDecoder('arrow-stream', 'Arrow stream', readArrow, () => written('arrows', 'nested')),
  tellingDecoder('parquet', 'Parquet', readParquet, () => written('parquet', 'parquet', 'nested')),
  inflation,
  ...packedDecoders,
  ...sideFileDecoders,
  ...answerDecoders,
  ...callDecoders,
  ...modelDecoders,
]

/** Decoders with faults, to see that the campaign finds them; named only, never part of a campaign. */
export const planted: readonly FuzzedDecoder[] = [
  { name: 'planted-error', sound: () => [Buffer.from('x'.repeat(50))], decode: (input) => { if (input.includes(0xff)) throw new TypeError('a planted error') } },
  { name: 'planted-hang', sound: () => [Buffer.from('x'.repeat(50))], decode: (input) => { while (input.includes(0xff)) continue } },
  { name: 'planted-crash', sound: () => [Buffer.from('x'.repeat(50))], decode: (input) => { if (input.includes(0xff)) process.kill(process.pid, 'SIGKILL') } },
  { name: 'planted-memory', sound: () => [Buffer.from('x'.repeat(50))], decode: (input) => { if (input.includes(0xff)) Buffer.alloc(2 ** 30 + 2 ** 27, 1) } },
]
