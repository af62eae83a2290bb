import { runInThisContext } from 'node:vm'
import type { Field, Schema } from '@millrace/core'
import { Digester, type Digest } from '../harness/digest.js'
import { jsonPaths, jsonSchemas } from '../suites/json-schemas.js'

type Numbers = Int32Array | Float32Array | Float64Array

/** Numbers that grow by doubling. */
class GrowingNumbers {
  length = 0

  constructor(private values: Numbers) {}

  push(value: number): void {
    if (this.length === this.values.length) {
      const grown = new (this.values.constructor as new (length: number) => Numbers)(2 * this.length)
      grown.set(this.values)
      this.values = grown
    }
    this.values[this.length++] = value
  }

  get used(): Numbers {
    return this.values.subarray(0, this.length)
  }
}

const numbersOf = (kind: string): GrowingNumbers => new GrowingNumbers(kind === 'int32' || kind === 'bool' ? new Int32Array(1024) : kind === 'float32' ? new Float32Array(1024) : new Float64Array(1024))

/** A column as a program would collect it from parsed objects: typed arrays of numbers, arrays of strings. */
interface PeerColumn {
  readonly name: string
  readonly field: Field
  readonly get: (record: unknown) => unknown
  readonly numbers: GrowingNumbers
  readonly texts: string[]
  /** Lengths of lists. */
  readonly lengths: GrowingNumbers
  /** 1 for a value, 0 for a null. */
  readonly valid: GrowingNumbers
}

/** What a program would write for a path, so that the engine sees each key by its name. */
const accessor = (path: string): PeerColumn['get'] => runInThisContext(`(record) => record.${path}`) as PeerColumn['get']

/** Puts the values of one object into its column. */
const appenders: { readonly [kind: string]: (column: PeerColumn, value: unknown) => void } = {
  utf8: ({ texts }, value) => void texts.push(value as string),
  list: ({ numbers, lengths }, value) => {
    const list = value as readonly number[]
    for (let i = 0; i < list.length; i++) numbers.push(list[i]!)
    lengths.push(list.length)
  },
  bool: ({ numbers }, value) => numbers.push(value === true ? 1 : 0),
}

/** Columns that are filled from parsed objects. */
export class PeerColumns {
  rows = 0
  private readonly columns: readonly PeerColumn[]
  private readonly append: readonly ((column: PeerColumn, value: unknown) => void)[]

  constructor(shape: string) {
    const schema: Schema = jsonSchemas[shape]!
    this.columns = Object.entries(schema).map(([name, field]) => ({
      name, field, get: accessor(jsonPaths[shape]?.[name] ?? name), numbers: numbersOf(field.kind === 'list' ? field.params.item!.kind : field.kind), texts: [],
      lengths: numbersOf('int32'), valid: numbersOf('int32'),
    }))
    this.append = this.columns.map(({ field }) => appenders[field.kind] ?? (({ numbers }, value) => numbers.push(value as number)))
  }

  add(record: unknown): void {
    this.rows++
    for (let i = 0; i < this.columns.length; i++) {
      const column = this.columns[i]!
      let value = column.get(record)
      if (column.field.nullable) {
        column.valid.push(value === undefined ? 0 : 1)
        value ??= 0
      }
      this.append[i]!(column, value)
    }
  }

  digest(): Digest {
    const digester = new Digester()
    digester.rows = this.rows
    for (const { name, field, numbers, texts, lengths, valid } of this.columns) {
      if (field.kind === 'utf8') {
        const bytes = texts.map((text) => Buffer.from(text))
        digester.addStrings(name, Buffer.concat(bytes), Int32Array.from(bytes, (text) => text.length))
      } else digester.add(name, field.kind === 'int64' ? BigInt64Array.from(numbers.used, BigInt) : numbers.used)
      if (field.kind === 'list') digester.add(`${name}, lengths`, lengths.used)
      if (field.nullable) digester.add(`${name}, nulls`, valid.used)
    }
    return digester.digest()
  }
}
