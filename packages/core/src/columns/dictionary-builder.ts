import type { Field } from '../schema/index.js'
import { BaseBuilder } from './base-builder.js'
import type { Column } from './column.js'
import type { ColumnBuilder } from './column-builder.js'
import { DictionaryColumn } from './dictionary-column.js'

/** Dictionary-encoded values: each distinct value is stored once a batch. */
export class DictionaryBuilder extends BaseBuilder<unknown> {
  private indices = new Int32Array(1024)
  private readonly seen = new Map<unknown, number>()

  constructor(
    field: Field,
    private readonly values: ColumnBuilder,
  ) {
    super(field)
  }

  private put(key: unknown, add: () => void): void {
    let index = this.seen.get(key)
    if (index === undefined) {
      index = this.values.length
      add()
      this.seen.set(key, index)
    }
    this.putIndex(index)
  }

  private putIndex(index: number): void {
    if (this.length === this.indices.length) {
      const grown = new Int32Array(this.indices.length * 2)
      grown.set(this.indices)
      this.indices = grown
    }
    this.indices[this.length] = index
  }

  protected store(value: unknown): void {
    const key = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value instanceof Date ? value.getTime() : value
    this.put(key, () => this.values.append(value))
  }

  protected storeText(text: string): void {
    this.put(text, () => this.values.appendText(text))
  }

  protected storeNull(): void {
    this.putIndex(0)
  }

  protected cut(): void {
    // Values that only forgotten rows used stay in the dictionary.
  }

  protected build(validity: Uint8Array | undefined): Column {
    const column = new DictionaryColumn(this.field, this.indices.slice(0, this.length), this.values.finish(), validity)
    this.seen.clear()
    return column
  }
}
