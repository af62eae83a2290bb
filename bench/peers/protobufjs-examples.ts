import { execFileSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Batch, type BytesColumn, type ColumnMap, type FixedColumn, type Schema } from '@millrace/core'
import { encodeFrame, TfRecordDecoder } from '@millrace/formats'

interface Long {
  readonly low: number
  readonly high: number
}
interface Feature {
  readonly bytesList?: { readonly value: readonly Uint8Array[] } | null
  readonly floatList?: { readonly value: readonly number[] } | null
  readonly int64List?: { readonly value: readonly (Long | number)[] } | null
}
interface ExampleType {
  decode(bytes: Uint8Array): { readonly features?: { readonly feature?: { readonly [name: string]: Feature } } }
  encode(message: object): { finish(): Uint8Array }
}

/** The messages as protobufjs compiles them: a static module, its fastest form, made anew for each run. */
export const compileProtobufjs = async (proto: string, folder: string): Promise<ExampleType> => {
  const cli = dirname(createRequire(import.meta.url).resolve('protobufjs-cli/package.json'))
  const out = join(folder, 'example.mjs')
  await mkdir(folder, { recursive: true })
  execFileSync(process.execPath, [join(cli, 'bin/pbjs'), '--target', 'static-module', '--wrap', 'esm', '--root', 'bench', '--force-long', '--out', out, proto])
  const module = (await import(pathToFileURL(out).href)) as { tensorflow: { Example: ExampleType } }
  return module.tensorflow.Example
}

/** Columns as a user of protobufjs would fill them. */
export interface PeerColumns {
  readonly [name: string]: Float32Array | BigInt64Array | Uint8Array[]
}

/** Decodes each record to a message, and moves its values to columns of `rows` rows. Framing and checksums are ours. */
export const readWithProtobufjs = async (Example: ExampleType, file: string, schema: Schema, rows: number): Promise<{ readonly rows: number; readonly columns: PeerColumns }> => {
  const columns: Record<string, Float32Array | BigInt64Array | Uint8Array[]> = {}
  for (const [name, { kind }] of Object.entries(schema)) {
    columns[name] = kind === 'float32' ? new Float32Array(rows) : kind === 'int64' ? new BigInt64Array(rows) : new Array<Uint8Array>(rows)
  }
  const names = Object.keys(schema)
  const decoder = new TfRecordDecoder()
  let row = 0
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Uint8Array>) {
    decoder.push(chunk)
    while (decoder.next()) {
      const { feature } = Example.decode(decoder.bytes.subarray(decoder.start, decoder.end)).features!
      for (const name of names) {
        const column = columns[name]!
        const value = feature![name]!
        if (column instanceof Float32Array) column[row] = value.floatList!.value[0]!
        else if (column instanceof BigInt64Array) {
          const long = value.int64List!.value[0] as Long
          column[row] = (BigInt(long.high) << 32n) | BigInt(long.low >>> 0)
        } else column[row] = value.bytesList!.value[0]!
      }
      row++
    }
  }
  decoder.finish()
  return { rows: row, columns }
}

/** Writes batches as a user of protobufjs would: a message a row. Framing and checksums are ours. */
export const writeWithProtobufjs = async (Example: ExampleType, batches: readonly Batch[], file: string): Promise<number> => {
  const frames: Uint8Array[] = []
  let bytes = 0
  for (const batch of batches) {
    const columns = Object.entries(batch.columns as ColumnMap)
    for (let row = 0; row < batch.numRows; row++) {
      const feature: Record<string, object> = {}
      for (const [name, column] of columns) {
        if (column.field.kind === 'float32') feature[name] = { floatList: { value: [(column as FixedColumn<unknown, Float32Array>).values[row]!] } }
        else if (column.field.kind === 'int64') feature[name] = { int64List: { value: [Number((column as FixedColumn<unknown, BigInt64Array>).values[row]!)] } }
        else {
          const { bytes: all, offsets } = column as BytesColumn
          feature[name] = { bytesList: { value: [all.subarray(offsets[row], offsets[row + 1])] } }
        }
      }
      const frame = encodeFrame(Example.encode({ features: { feature } }).finish())
      frames.push(frame)
      bytes += frame.length
    }
  }
  await writeFile(file, Buffer.concat(frames, bytes))
  return bytes
}
