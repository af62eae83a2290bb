import { createReadStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { StringDecoder } from 'node:string_decoder'
import type { BytesColumn, Column, ColumnMap, FixedColumn, ListColumn } from '@millrace/core'
import { readJson } from '@millrace/formats'
import { streamArray } from 'stream-json/streamers/stream-array.js'
import { Digester, type Digest } from '../harness/digest.js'
import { timed, type Cost } from '../harness/measure.js'
import { jsonPaths, jsonSchemas } from '../suites/json-schemas.js'
import { PeerColumns } from './json-columns.js'

/** What the json suite asks of a contender. */
export interface JsonCommand {
  readonly do: 'check' | 'read'
  readonly file: string
  readonly schema: string
  /** Rows of the file. */
  readonly rows: number
}

interface JsonContender {
  check(command: JsonCommand): Promise<Digest>
  read(command: JsonCommand): Promise<Cost>
}

const requireRows = (seen: number, due: number): void => {
  if (seen !== due) throw new Error(`read ${seen} rows of ${due}`)
}

const CHUNK = 1024 * 1024

const digestColumn = (digester: Digester, name: string, column: Column): void => {
  const { field, length } = column
  if (field.kind === 'utf8') {
    const { bytes, offsets } = column as BytesColumn
    digester.addStrings(name, bytes.subarray(offsets[0], offsets[length]), Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
  } else if (field.kind === 'list') {
    const { items, offsets } = column as ListColumn
    digester.add(name, (items as FixedColumn).values)
    digester.add(`${name}, lengths`, Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
  } else if (field.kind === 'bool') digester.add(name, Int32Array.from({ length }, (_, row) => (column.get(row) === true ? 1 : 0)))
  else digester.add(name, (column as FixedColumn).values)
  if (field.nullable) digester.add(`${name}, nulls`, Int32Array.from({ length }, (_, row) => (column.isValid(row) ? 1 : 0)))
}

const open = ({ file, schema }: JsonCommand): ReturnType<typeof readJson> => readJson(file, { schema: jsonSchemas[schema]!, paths: jsonPaths[schema] })

const ours: JsonContender = {
  check: async (command) => {
    const digester = new Digester()
    for await (const batch of open(command)) {
      digester.rows += batch.numRows
      for (const [name, column] of Object.entries(batch.columns as ColumnMap)) digestColumn(digester, name, column)
    }
    return digester.digest()
  },
  read: (command) =>
    timed(async () => {
      let seen = 0
      for await (const batch of open(command)) seen += batch.numRows
      requireRows(seen, command.rows)
    }),
}

const contender = (columnsOf: (command: JsonCommand) => Promise<PeerColumns>): JsonContender => ({
  check: async (command) => (await columnsOf(command)).digest(),
  read: (command) => timed(async () => requireRows((await columnsOf(command)).rows, command.rows)),
})

/** Large chunks, cut at line ends, each line through JSON.parse: the fastest of the ways with it. */
const parsed = contender(async ({ file, schema }) => {
  const columns = new PeerColumns(schema)
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK })) {
    const text = rest + decoder.write(chunk as Buffer)
    let from = 0
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      columns.add(JSON.parse(text.slice(from, to)))
      from = to + 1
    }
    rest = text.slice(from)
  }
  return columns
})

const streamed = contender(async ({ file, schema }) => {
  const columns = new PeerColumns(schema)
  const records = createReadStream(file, { highWaterMark: CHUNK }).pipe(streamArray.withParserAsStream())
  records.on('data', ({ value }: { readonly value: unknown }) => columns.add(value))
  await finished(records)
  return columns
})

/** Contenders that run on Node, by the names that they are started with. */
export const jsonContenders: { readonly [name: string]: JsonContender } = { 'json ours': ours, 'json JSON.parse': parsed, 'json stream-json': streamed }
