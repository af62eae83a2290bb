import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Batch, BytesColumn, ColumnMap, Field, FixedColumn, Schema } from '@millrace/core'
import { forEachPayload, frameOf, type Crc } from './tfrecord-frames.js'

interface Long {
  readonly low: number
  readonly high: number
}
interface Feature {
  readonly bytesList?: { readonly value: readonly Uint8Array[] } | null
  readonly floatList?: { readonly value: readonly number[] } | null
  readonly int64List?: { readonly value: readonly (Long | number)[] } | null
}
/** The message type as protobufjs compiles it. */
export interface ExampleType {
  decode(bytes: Uint8Array): { readonly features?: { readonly feature?: { readonly [name: string]: Feature } } }
  encode(message: object): { finish(): Uint8Array }
}

/** Compiles the messages to a static module, protobufjs's fastest form, anew for each run; returns its file. */
export const compileProtobufjs = async (proto: string, folder: string): Promise<string> => {
  const cli = dirname(createRequire(import.meta.url).resolve('protobufjs-cli/package.json'))
  const out = join(folder, 'example.mjs')
  await mkdir(folder, { recursive: true })
  execFileSync(process.execPath, [join(cli, 'bin/pbjs'), '--target', 'static-module', '--wrap', 'esm', '--root', 'bench', '--force-long', '--out', out, proto])
  return out
}

/** The message type of a compiled module. */
export const loadProtobufjs = async (file: string): Promise<ExampleType> =>
  ((await import(pathToFileURL(file).href)) as { tensorflow: { Example: ExampleType } }).tensorflow.Example

/** Lists as a user of protobufjs would gather them: their values one after another, and how many each has. */
export class PeerLists {
  readonly values: (number | bigint)[] = []
  readonly lengths: Int32Array

  constructor(rows: number) {
    this.lengths = new Int32Array(rows)
  }

  add(row: number, { floatList, int64List }: Feature): void {
    if (floatList) for (const value of floatList.value) this.values.push(value)
    else if (int64List) for (const value of int64List.value) this.values.push(wholeOf(value as Long))
    this.lengths[row] = (floatList ?? int64List)?.value.length ?? 0
  }

  /** The values as a column holds them. */
  typed(): Float32Array | BigInt64Array {
    return typeof this.values[0] === 'bigint' ? BigInt64Array.from(this.values as bigint[]) : Float32Array.from(this.values as number[])
  }
}

/** Columns as a user of protobufjs would fill them. */
export interface PeerColumns {
  readonly [name: string]: PeerColumn
}
type PeerColumn = Float32Array | BigInt64Array | Uint8Array[] | PeerLists

const wholeOf = ({ high, low }: Long): bigint => (BigInt(high) << 32n) | BigInt(low >>> 0)

const columnOf = ({ kind }: Field, rows: number): PeerColumn =>
  kind === 'float32' ? new Float32Array(rows) : kind === 'int64' ? new BigInt64Array(rows) : kind === 'list' ? new PeerLists(rows) : new Array<Uint8Array>(rows)

/** Decodes each record to a message, and moves its values to columns of `rows` rows. */
export const readWithProtobufjs = async (Example: ExampleType, crc: Crc, file: string, schema: Schema, rows: number): Promise<{ readonly rows: number; readonly columns: PeerColumns }> => {
  const columns = Object.fromEntries(Object.entries(schema).map(([name, field]) => [name, columnOf(field, rows)]))
  const names = Object.keys(schema)
  let row = 0
  await forEachPayload(file, crc, (payload) => {
    const { feature } = Example.decode(payload).features!
    for (const name of names) {
      const column = columns[name]!
      const value = feature![name]
      if (value === undefined) continue
      if (column instanceof Float32Array) column[row] = value.floatList!.value[0]!
      else if (column instanceof BigInt64Array) column[row] = wholeOf(value.int64List!.value[0] as Long)
      else if (column instanceof PeerLists) column.add(row, value)
      else column[row] = value.bytesList!.value[0]!
    }
    row++
  })
  return { rows: row, columns }
}

/** Writes batches as a user of protobufjs would: a message a row. */
export const writeWithProtobufjs = async (Example: ExampleType, crc: Crc, batches: readonly Batch[], file: string): Promise<number> => {
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
      const frame = frameOf(Example.encode({ features: { feature } }).finish(), crc)
      frames.push(frame)
      bytes += frame.length
    }
  }
  await writeFile(file, Buffer.concat(frames, bytes))
  return bytes
}
