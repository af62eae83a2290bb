import { failure, type Field, type Schema } from '@millrace/core'
import type { FlatField, FlatFields } from './flat-writer.js'

/** Version 5 of the metadata. */
const VERSION = 4
/** Places of the headers in the union of messages. */
export const headers = { schema: 1, dictionary: 2, batch: 3 } as const

const units: { readonly [unit: string]: number } = { s: 0, ms: 1, us: 2, ns: 3 }

/** Number in the union `Type`, and the fields of its table. @see https://github.com/apache/arrow/blob/main/format/Schema.fbs */
const typeOf = ({ kind, params }: Field): readonly [number, FlatFields] => {
  const integer = /^(u?)int(\d+)$/.exec(kind)
  if (integer !== null) return [2, [{ int: Number(integer[2]) }, { byte: integer[1] === 'u' ? 0 : 1 }]]
  switch (kind) {
    case 'float32':
      return [3, [{ short: 1 }]]
    case 'float64':
      return [3, [{ short: 2 }]]
    case 'binary':
      return [4, []]
    case 'utf8':
      return [5, []]
    case 'bool':
      return [6, []]
    case 'decimal':
      return [7, [{ int: params.precision ?? 38 }, { int: params.scale ?? 0 }, { int: 128 }]]
    case 'date':
      return [8, [{ short: 0 }]]
    case 'timestamp':
      return [10, [{ short: units[params.unit ?? 'ms']! }, { text: 'UTC' }]]
    case 'list':
      return params.size === undefined ? [12, []] : [16, [{ int: params.size }]]
    default:
      throw failure({ tag: 'Schema', code: 'UNKNOWN_KIND', problem: `no such kind of field: ${kind}` })
  }
}

/** Numbers dictionaries in the order in which a schema has them, lists' items included. */
export class DictionaryIds {
  private next = 0
  take(): number {
    return this.next++
  }
}

const fieldTable = (name: string, field: Field, ids: DictionaryIds): FlatFields => {
  const values = field.kind === 'dictionary' ? field.params.item! : field
  const id = field.kind === 'dictionary' ? ids.take() : undefined
  const [number, type] = typeOf(values)
  const encoding: FlatField = id === undefined ? undefined : { table: [{ long: id }, { table: [{ int: 32 }, { byte: 1 }] }, { byte: 0 }] }
  const children = values.kind === 'list' ? [fieldTable('item', values.params.item!, ids)] : []
  return [{ text: name }, { byte: field.nullable ? 1 : 0 }, { byte: number }, { table: type }, encoding, { tables: children }]
}

/** The table of a schema. */
export const schemaTable = (schema: Schema): FlatFields => {
  const ids = new DictionaryIds()
  return [{ short: 0 }, { tables: Object.entries(schema).map(([name, field]) => fieldTable(name, field, ids)) }]
}

/** The table of a message. */
export const messageTable = (header: number, table: FlatFields, bodyLength: number): FlatFields => [{ short: VERSION }, { byte: header }, { table }, { long: bodyLength }]

/** The table of a file's footer; blocks are offset, length of the metadata and length of the body of each message. */
export const footerTable = (schema: Schema, dictionaries: readonly number[], batches: readonly number[]): FlatFields =>
  [{ short: VERSION }, { table: schemaTable(schema) }, { structs: dictionaries, words: 3 }, { structs: batches, words: 3 }]
