import { isUtf8 } from 'node:buffer'
import { ConversionError, makeBuilder } from '@millrace/core'
import { cellJson } from '../writing/column-texts.js'
import { appender } from './append-value.js'
import type { Stored } from './stored.js'
import { fieldOf, type ValueType } from './value-type.js'

/** What is wrong with a slot's value: a code, and words, which may be looked up when they are asked for. */
export interface Fault {
  readonly code: string
  readonly message: string | ((slot: number) => string)
}

/** Why the value of a slot does not fit its column, and what it is. There may be one a row: words are made when they are asked for. */
export class Misfit {
  /** @param jsonAt - what a slot of the file has, as JSON */
  constructor(
    private readonly fault: Fault,
    private readonly slot: number,
    private readonly jsonAt: (slot: number) => string,
  ) {}

  get code(): string {
    return this.fault.code
  }

  get message(): string {
    const { message } = this.fault
    return typeof message === 'string' ? message : message(this.slot)
  }

  /** What the file has, as JSON. */
  json(): string {
    return this.jsonAt(this.slot)
  }
}

/** Stored values as JSON, each as the field that is made for its type has it; `null` for what not even that can show. */
export const jsonOf = (type: ValueType, stored: Stored) => (slot: number): string => {
  const isText = type.is !== 'text' || stored.is !== 'bytes' || isUtf8(stored.bytes.subarray(stored.offsets[slot], stored.offsets[slot + 1]))
  const own = isText ? type : { is: 'bytes' as const, name: type.name }
  const target = fieldOf(own, false)
  if (target === undefined) return 'null'
  try {
    const builder = makeBuilder(target)
    appender(target, own, stored)(builder, slot)
    return cellJson(builder.finish())(0)
  } catch (error) {
    if (error instanceof ConversionError) return 'null'
    throw error
  }
}
