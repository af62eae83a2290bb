import { ConversionError, showValue } from '../schema/convert.js'
import type { Field } from '../schema/index.js'
import type { Column } from './column.js'
import type { ColumnBuilder } from './column-builder.js'
import { ValidityBuilder } from './validity-builder.js'

/** The part of a builder that does not depend on the layout: nulls, lengths, errors. */
export abstract class BaseBuilder<T> implements ColumnBuilder<T> {
  length = 0
  protected readonly validity = new ValidityBuilder()

  constructor(readonly field: Field<T>) {}

  /** Stores a value that is not null at row `this.length`. */
  protected abstract store(value: unknown): void
  /** Stores what a text stands for at row `this.length`. */
  protected abstract storeText(text: string): void
  /** Stores a placeholder for a null at row `this.length`. */
  protected abstract storeNull(): void
  protected abstract cut(length: number): void
  protected abstract build(validity: Uint8Array | undefined): Column<T>

  append(value: unknown): void {
    if (value === null || value === undefined) return this.appendNull()
    this.store(value)
    this.validity.push(this.length++, true)
  }

  appendText(text: string): void {
    this.storeText(text)
    this.validity.push(this.length++, true)
  }

  appendNull(): void {
    if (!this.field.nullable) throw new ConversionError('NULL', `a ${this.field.kind} that may not be null is null or missing`)
    this.storeNull()
    this.validity.push(this.length++, false)
  }

  truncate(length: number): void {
    if (length >= this.length) return
    this.validity.truncate(length, this.length)
    this.cut(length)
    this.length = length
  }

  finish(): Column<T> {
    const column = this.build(this.validity.finish(this.length))
    this.length = 0
    return column
  }

  protected wrongType(value: unknown): ConversionError {
    const type = value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
    return new ConversionError('WRONG_TYPE', `${showValue(value)} (${type}) is not of kind ${this.field.kind}`)
  }

  protected badText(text: string): ConversionError {
    return new ConversionError('BAD_TEXT', `${showValue(text)} is not of kind ${this.field.kind}`)
  }

  protected outOfRange(value: unknown): ConversionError {
    return new ConversionError('OUT_OF_RANGE', `${showValue(value)} is out of the range of ${this.field.kind}`)
  }
}
