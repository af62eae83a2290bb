import { ConversionError } from '../schema/convert.js'
import type { Field } from '../schema/index.js'
import { BaseBuilder } from './base-builder.js'
import type { Column } from './column.js'
import type { ColumnBuilder } from './column-builder.js'
import { integerText } from './integer-text.js'
import { ListColumn } from './list-column.js'
import { Digits, parseList } from './list-text.js'

/** Lists, from JavaScript arrays and typed arrays; as texts, from JSON arrays. */
export class ListBuilder extends BaseBuilder<unknown> {
  private offsets: number[] = [0]

  constructor(
    field: Field,
    /** Builder of the items: readers with items at hand append to it, then call {@link endList}. */
    readonly items: ColumnBuilder,
  ) {
    super(field)
  }

  /** Ends a list: what was appended to `items` since the last end is the list of this row. */
  endList(): void {
    this.checkSize(this.items.length - this.offsets[this.length]!)
    this.offsets[this.length + 1] = this.items.length
    this.validity.push(this.length++, true)
  }

  private checkSize(items: number): void {
    const { size } = this.field.params
    if (size === undefined || items === size) return
    this.items.truncate(this.offsets[this.length]!)
    throw new ConversionError('OUT_OF_RANGE', `the list has ${items} ${items === 1 ? 'item' : 'items'} where ${size} are due`)
  }

  protected store(value: unknown): void {
    if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && !(value instanceof DataView))) throw this.wrongType(value)
    const before = this.items.length
    try {
      for (const item of value as Iterable<unknown>) this.appendItem(item)
    } catch (error) {
      this.items.truncate(before)
      throw error
    }
    this.checkSize(this.items.length - before)
    this.offsets[this.length + 1] = this.items.length
  }

  private appendItem(item: unknown): void {
    if (!(item instanceof Digits)) return this.items.append(item)
    const { text } = item
    this.items.appendText(this.items.field.kind === 'decimal' ? text : (integerText(text) ?? text))
  }

  protected storeText(text: string): void {
    let value: unknown
    try {
      value = parseList(this.field, text)
    } catch {
      throw this.badText(text)
    }
    this.store(value)
  }

  protected storeNull(): void {
    this.offsets[this.length + 1] = this.items.length
  }

  protected cut(length: number): void {
    this.items.truncate(this.offsets[length]!)
    this.offsets.length = length + 1
  }

  override truncate(length: number): void {
    // Items of a list that was begun and not ended go too.
    if (length === this.length) this.items.truncate(this.offsets[length]!)
    super.truncate(length)
  }

  protected build(validity: Uint8Array | undefined): Column {
    this.items.truncate(this.offsets[this.length]!)
    const column = new ListColumn(this.field, Int32Array.from(this.offsets.slice(0, this.length + 1)), this.items.finish(), validity)
    this.offsets = [0]
    return column
  }
}
