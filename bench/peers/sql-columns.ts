import type { Schema } from '@millrace/core'
import type { Digester } from '../harness/digest.js'

const DAY = 86_400_000

/** A row as a driver gives it. */
export type DriverRow = readonly unknown[]

/** A column that a program fills value by value; texts stay texts, and so do decimals, which nobody has to make numbers. */
interface Filled {
  readonly put: (row: number, value: never) => void
  readonly digest: (digester: Digester, name: string) => void
}

const numbers = (values: Int32Array | Float64Array): Filled => ({
  put: (row, value: number) => void (values[row] = value),
  digest: (digester, name) => digester.add(name, values),
})

const wide = (length: number, toBigInt: (value: never) => bigint): Filled => {
  const values = new BigInt64Array(length)
  return { put: (row, value) => void (values[row] = toBigInt(value)), digest: (digester, name) => digester.add(name, values) }
}

const texts = (length: number): Filled => {
  const values = new Array<string | null>(length)
  return {
    put: (row, value: string | null) => void (values[row] = value),
    digest: (digester, name) => {
      const bytes = values.map((text) => Buffer.from(text ?? ''))
      digester.addStrings(name, Buffer.concat(bytes), Int32Array.from(bytes, ({ length: size }) => size))
    },
  }
}

const days = (length: number): Filled => {
  const values = new Int32Array(length)
  return { ...numbers(values), put: (row, value: Date | string) => void (values[row] = (typeof value === 'string' ? Date.parse(value) : value.getTime()) / DAY) }
}

const kinds: { readonly [kind: string]: (length: number) => Filled } = {
  int32: (length) => numbers(new Int32Array(length)), float64: (length) => numbers(new Float64Array(length)), date: days, utf8: texts, decimal: texts,
  int64: (length) => wide(length, (value: string | number) => BigInt(value)), timestamp: (length) => wide(length, (value: Date) => BigInt(value.getTime())),
}

/** What a program without a library does with the rows of a driver: fills typed columns, whose length it knows. */
export class DriverColumns {
  rows = 0
  private readonly columns: readonly Filled[]

  constructor(
    private readonly schema: Schema,
    length: number,
  ) {
    this.columns = Object.values(schema).map(({ kind }) => kinds[kind]!(length))
  }

  add(row: DriverRow): void {
    const { columns, rows } = this
    for (let i = 0; i < columns.length; i++) columns[i]!.put(rows, row[i] as never)
    this.rows++
  }

  /** All rows at once, column by column. */
  addAll(rows: readonly DriverRow[]): void {
    for (const [i, { put }] of this.columns.entries()) for (let row = 0; row < rows.length; row++) put(this.rows + row, rows[row]![i] as never)
    this.rows += rows.length
  }

  digest(digester: Digester): void {
    digester.rows = this.rows
    for (const [i, name] of Object.keys(this.schema).entries()) this.columns[i]!.digest(digester, name)
  }
}
