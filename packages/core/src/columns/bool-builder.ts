import type { Field } from '../schema/index.js'
import { BaseBuilder } from './base-builder.js'
import { bitmapBytes, setBit } from './bitmap.js'
import { BoolColumn } from './bool-column.js'
import type { Column } from './column.js'

const texts = new Map([['true', true], ['false', false], ['1', true], ['0', false], ['t', true], ['f', false], ['yes', true], ['no', false]])

/** Booleans; as texts `true/false`, `t/f`, `yes/no`, `1/0` in any case. */
export class BoolBuilder extends BaseBuilder<unknown> {
  private values = new Uint8Array(1024)

  constructor(field: Field) {
    super(field)
  }

  private put(value: boolean): void {
    if (this.length === this.values.length) {
      const grown = new Uint8Array(this.values.length * 2)
      grown.set(this.values)
      this.values = grown
    }
    this.values[this.length] = value ? 1 : 0
  }

  protected store(value: unknown): void {
    if (typeof value !== 'boolean') throw this.wrongType(value)
    this.put(value)
  }

  protected storeText(text: string): void {
    const value = texts.get(text.toLowerCase())
    if (value === undefined) throw this.badText(text)
    this.put(value)
  }

  protected storeNull(): void {
    this.put(false)
  }

  protected cut(): void {
    // Rows past the length are overwritten.
  }

  protected build(validity: Uint8Array | undefined): Column {
    const bits = new Uint8Array(bitmapBytes(this.length))
    for (let row = 0; row < this.length; row++) if (this.values[row] === 1) setBit(bits, row)
    return new BoolColumn(this.field, bits, this.length, validity)
  }
}
