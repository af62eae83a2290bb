import { pipe, run, fromBatches, type Batch, type BytesColumn, type Column, type ColumnMap, type FixedColumn, type ListColumn, type Stream } from '@millrace/core'
import { readSequenceExamples, readTfRecords, writeTfRecords } from '@millrace/formats'
import { Digester, type Digest } from './harness/digest.js'
import { timed, type Cost } from './harness/measure.js'
import { serve } from './harness/program.js'
import { csvContenders } from './peers/csv-contenders.js'
import { gzipContenders } from './peers/gzip-contenders.js'
import { jsonContenders } from './peers/json-contenders.js'
import { parquetContenders } from './peers/parquet-contenders.js'
import { sqlContenders } from './peers/sql-contenders.js'
import { loadProtobufjs, PeerLists, readWithProtobufjs, writeWithProtobufjs } from './peers/protobufjs-examples.js'
import { ThreadsApart } from './peers/threads-apart.js'
import { fastestCrc } from './peers/tfrecord-frames.js'
import { schemas, sequences, tabular, type Tabular } from './suites/tfrecord-schemas.js'

/** What the tfrecord suite asks of a contender. `rows` and `module` matter to protobufjs only. */
export interface ContenderCommand {
  readonly do: 'check' | 'read' | 'write'
  readonly file: string
  readonly schema: string
  /** Worker threads that decode, of ours. Default: none. */
  readonly workers?: number | undefined
  /** How many times `read` reads the file, one after another. Default: once. */
  readonly copies?: number | undefined
  /** Rows of the file. */
  readonly rows: number
  /** The compiled messages. */
  readonly module: string
  /** Where `write` writes to. */
  readonly out: string
}

interface TfRecordContender {
  check(command: ContenderCommand): Promise<Digest>
  read(command: ContenderCommand): Promise<Cost>
  write(command: ContenderCommand): Promise<Cost>
}

/** The tabular rows in memory, as both contenders write them. */
const loadBatches = (() => {
  let loaded: Promise<Batch<Tabular>[]> | undefined
  return (file: string): Promise<Batch<Tabular>[]> =>
    (loaded ??= (async () => {
      const batches: Batch<Tabular>[] = []
      for await (const batch of readTfRecords(file, { schema: tabular })) batches.push(batch)
      return batches
    })())
})()

const read = ({ file, schema, workers, copies = 1 }: Pick<ContenderCommand, 'file' | 'schema' | 'workers' | 'copies'>): Stream => {
  const files = Array<string>(copies).fill(file)
  return schema === 'sequences' ? readSequenceExamples(files, { ...sequences, workers }) : readTfRecords(files, { schema: schemas[schema]!, workers })
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength)

/** Values of lists one after another, and how many the innermost lists have. */
const addList = (digester: Digester, name: string, { items, offsets, length }: ListColumn): void => {
  if (items.field.kind === 'list') return addList(digester, name, items as unknown as ListColumn)
  digester.addStrings(name, bytesOf((items as Column as FixedColumn).values), Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
}

const ours: TfRecordContender = {
  check: async (command) => {
    const digester = new Digester()
    for await (const batch of read({ ...command, copies: 1 })) {
      digester.rows += batch.numRows
      for (const [name, column] of Object.entries(batch.columns as ColumnMap)) {
        if (column.field.kind === 'utf8' || column.field.kind === 'binary') {
          const { bytes, offsets, length } = column as BytesColumn
          digester.addStrings(name, bytes.subarray(offsets[0], offsets[length]), Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
        } else if (column.field.kind === 'list') addList(digester, name, column as ListColumn)
        else digester.add(name, (column as FixedColumn).values)
      }
    }
    return digester.digest()
  },
  read: ({ rows, ...command }) =>
    timed(async () => {
      let seen = 0
      for await (const batch of read(command)) seen += batch.numRows
      const due = rows * (command.copies ?? 1)
      if (seen !== due) throw new Error(`read ${seen} rows of ${due}`)
    }),
  write: async ({ file, out }) => {
    const stream = fromBatches(tabular, await loadBatches(file))
    return timed(() => run(pipe(stream, writeTfRecords(out, { ifExists: 'replace' }))))
  },
}

/** Two threads that read apart from each other. */
const apart: TfRecordContender = (() => {
  let threads: ThreadsApart | undefined
  return { ...ours, read: ({ file, schema, rows, copies = 1 }) => (threads ??= new ThreadsApart(2)).read({ file, schema, rows, copies }) }
})()

const protobufjs: TfRecordContender = {
  check: async ({ module, file, schema, rows: due }) => {
    const { rows, columns } = await readWithProtobufjs(await loadProtobufjs(module), await fastestCrc(), file, schemas[schema]!, due)
    const digester = new Digester()
    digester.rows = rows
    for (const [name, column] of Object.entries(columns)) {
      if (column instanceof PeerLists) digester.addStrings(name, bytesOf(column.typed()), column.lengths)
      else if (Array.isArray(column)) digester.addStrings(name, Buffer.concat(column), Int32Array.from(column, (value) => value.length))
      else digester.add(name, column)
    }
    return digester.digest()
  },
  read: async ({ module, file, schema, rows }) => {
    const [example, crc] = [await loadProtobufjs(module), await fastestCrc()]
    return timed(() => readWithProtobufjs(example, crc, file, schemas[schema]!, rows))
  },
  write: async ({ module, file, out }) => {
    const [example, crc, batches] = [await loadProtobufjs(module), await fastestCrc(), await loadBatches(file)]
    return timed(() => writeWithProtobufjs(example, crc, batches, out))
  },
}

const contenders: { readonly [name: string]: TfRecordContender } = { ours, apart, protobufjs }
const name = process.argv[2] ?? ''
await serve({ ...(contenders[name] ?? csvContenders[name] ?? gzipContenders[name] ?? jsonContenders[name] ?? parquetContenders[name] ?? sqlContenders[name])! })
