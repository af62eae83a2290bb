import { isUtf8 } from 'node:buffer'
import {
  BytesColumn, boolColumn, bitmapBytes, clearBit, ConversionError, DecimalColumn, DictionaryColumn, fixedColumn, getBit, halves, inexactNumber, makeBuilder, readInt64, readUint64, setBit, writeInt64,
  type Column, type Field, type TimeUnit, type Values,
} from '@millrace/core'
import { appender, bigEndian, exact, int96, perSecond, toUnit } from './append-value.js'
import { jsonOf, Misfit, type Fault } from './misfit.js'
import type { Stored, StoredSlots } from './stored.js'
import type { ValueType } from './value-type.js'

/** A column of slots, and those in which the file's value does not fit it (they are null in the column). */
export interface ConvertedColumn {
  readonly column: Column
  readonly faults: ReadonlyMap<number, Misfit>
}

/** Integer targets by kind: typed array and inclusive range. */
const integers: { readonly [kind: string]: readonly [new (length: number) => Values, number, number] } = {
  int8: [Int8Array, -128, 127], int16: [Int16Array, -32768, 32767], int32: [Int32Array, -2147483648, 2147483647],
  uint8: [Uint8Array, 0, 255], uint16: [Uint16Array, 0, 65535], uint32: [Uint32Array, 0, 4294967295],
}

const badText: Fault = { code: 'BAD_TEXT', message: 'the bytes are not UTF-8' }

const nullJson = (): string => 'null'

/** Slots on their way into a column: which are null, which do not fit. */
class Slots {
  readonly faults = new Map<number, Misfit>()
  private bits: Uint8Array | undefined

  constructor(
    readonly target: Field,
    readonly count: number,
    private readonly nulls: Uint8Array | undefined,
    /** What stands in a slot of the file, as JSON. */
    private readonly jsonAt: (slot: number) => string,
  ) {
    if (nulls === undefined) return
    this.bits = nulls
    if (target.nullable) return
    const isNull: Fault = { code: 'NULL', message: `a ${target.kind} that may not be null is null` }
    for (let slot = 0; slot < count; slot++) if (!getBit(nulls, slot)) this.faults.set(slot, new Misfit(isNull, slot, nullJson))
  }

  isNull(slot: number): boolean {
    return this.nulls !== undefined && !getBit(this.nulls, slot)
  }

  fault(slot: number, fault: Fault): void {
    // The file's own nulls are not ours to change.
    if (this.bits === undefined || this.bits === this.nulls) this.bits = this.nulls?.slice() ?? new Uint8Array(bitmapBytes(this.count)).fill(0xff)
    clearBit(this.bits, slot)
    this.faults.set(slot, new Misfit(fault, slot, this.jsonAt))
  }

  /** @param valueAt - what stands in a slot of the file */
  outOfRange(valueAt: (slot: number) => unknown): Fault {
    return { code: 'OUT_OF_RANGE', message: (slot) => `${String(valueAt(slot))} is out of the range of ${this.target.kind}` }
  }

  get validity(): Uint8Array | undefined {
    return this.bits
  }

  /** The field of the column: its slots may be null, whatever the target says, until their rows are left out. */
  get field(): Field {
    return { ...this.target, nullable: true } as Field
  }

  with(values: Values): ConvertedColumn {
    return { column: fixedColumn(this.field, values, this.validity), faults: this.faults }
  }
}

/** Reads slots as numbers, exact within ±2⁵³; faster than by bigints. */
const numberReader = (stored: Stored & { readonly is: 'numbers' }, signed: boolean): ((slot: number) => number) => {
  const { values } = stored
  if (values instanceof BigInt64Array) {
    const words = halves(values)
    return signed ? (slot) => readInt64(words, slot) : (slot) => readUint64(words, slot)
  }
  return values instanceof Int32Array && !signed ? (slot) => values[slot]! >>> 0 : (slot) => values[slot]!
}

const toNumbers = (slots: Slots, stored: Stored & { readonly is: 'numbers' }, signed: boolean): ConvertedColumn => {
  const { target, count } = slots
  const { values: from } = stored
  const range = integers[target.kind]
  const read = numberReader(stored, signed)
  if (range === undefined) {
    if ((target.kind === 'float32' && from instanceof Float32Array) || (target.kind === 'float64' && from instanceof Float64Array)) return slots.with(from)
    if (target.kind === 'float64') {
      const values = new Float64Array(count)
      for (let slot = 0; slot < count; slot++) values[slot] = read(slot)
      return slots.with(values)
    }
    const values = new Float32Array(count)
    const outOfRange = slots.outOfRange(read)
    for (let slot = 0; slot < count; slot++) {
      const value = (values[slot] = read(slot))
      if (!Number.isFinite(values[slot]) && Number.isFinite(value)) {
        values[slot] = 0
        slots.fault(slot, outOfRange)
      }
    }
    return slots.with(values)
  }
  if (from instanceof range[0] && (signed || !(from instanceof Int32Array))) return slots.with(from)
  if (from instanceof Int32Array && target.kind === 'uint32' && !signed) return slots.with(new Uint32Array(from.buffer, from.byteOffset, from.length))
  const [array, least, most] = range
  const values = new array(count) as Int32Array
  const outOfRange = slots.outOfRange((slot) => exact(from, slot, signed))
  for (let slot = 0; slot < count; slot++) {
    const value = read(slot)
    if (value < least || value > most) slots.fault(slot, outOfRange)
    else values[slot] = value
  }
  return slots.with(values)
}

/** Integers of 64 bits that rows may have to show as numbers: those beyond 2⁵³ do not fit then. */
const withIntegers64 = (slots: Slots, values: BigInt64Array | BigUint64Array): ConvertedColumn => {
  if (slots.target.params.as !== 'number') return slots.with(values)
  const words = halves(values)
  const read = values instanceof BigInt64Array ? readInt64 : readUint64
  let kept = values
  const inexact: Fault = { code: 'OUT_OF_RANGE', message: (slot) => inexactNumber(values[slot]!).message }
  for (let slot = 0; slot < slots.count; slot++) {
    if (Number.isSafeInteger(read(words, slot)) || slots.isNull(slot)) continue
    // What the file has is kept for whoever asks for the bad row.
    if (kept === values) kept = values.slice()
    kept[slot] = 0n
    slots.fault(slot, inexact)
  }
  return slots.with(kept)
}

const toIntegers64 = (slots: Slots, stored: Stored & { readonly is: 'numbers' }, signed: boolean): ConvertedColumn => {
  const { target, count } = slots
  const { values: from } = stored
  const wantsSigned = target.kind === 'int64'
  if (from instanceof BigInt64Array) {
    let values = from
    const outOfRange = slots.outOfRange((slot) => exact(from, slot, signed))
    // The sign bit is all that differs.
    if (wantsSigned !== signed) {
      let words = halves(from)
      for (let slot = 0; slot < count; slot++) {
        if (words[2 * slot + 1]! >= 0 || slots.isNull(slot)) continue
        // What the file has is kept for whoever asks for the bad row.
        if (values === from) words = halves((values = from.slice()))
        slots.fault(slot, outOfRange)
        words[2 * slot] = words[2 * slot + 1] = 0
      }
    }
    return withIntegers64(slots, wantsSigned ? values : new BigUint64Array(values.buffer, values.byteOffset, values.length))
  }
  const read = numberReader(stored, signed)
  const values = new BigInt64Array(count)
  const words = halves(values)
  const outOfRange = slots.outOfRange(read)
  for (let slot = 0; slot < count; slot++) {
    const value = read(slot)
    if (value < 0 && !wantsSigned) slots.fault(slot, outOfRange)
    else writeInt64(words, slot, value)
  }
  return withIntegers64(slots, wantsSigned ? values : new BigUint64Array(values.buffer))
}

const toInstants = (slots: Slots, stored: Stored, from: TimeUnit): ConvertedColumn => {
  const { count } = slots
  const to = slots.target.params.unit ?? 'ms'
  if (stored.is === 'numbers' && from === to && stored.values instanceof BigInt64Array) return slots.with(stored.values)
  const values = new BigInt64Array(count)
  const words = halves(values)
  const divisor = perSecond[from] / perSecond[to]
  const wide = (slot: number, value: bigint): void => {
    const integer = toUnit(value, from, to)
    if (BigInt.asIntN(64, integer) !== integer) slots.fault(slot, slots.outOfRange(() => value))
    else values[slot] = integer
  }
  if (stored.is === 'bytes') {
    for (let slot = 0; slot < count; slot++) if (!slots.isNull(slot)) wide(slot, int96(stored.bytes, stored.offsets[slot]!))
    return slots.with(values)
  }
  if (stored.is !== 'numbers') throw new Error('instants are stored as other values')
  const source = stored.values as BigInt64Array
  const sourceWords = halves(source)
  for (let slot = 0; slot < count; slot++) {
    // Arithmetic on numbers is exact within ±2⁵³ and much faster than on bigints.
    const number = readInt64(sourceWords, slot)
    if (divisor > 1 && Number.isSafeInteger(number)) writeInt64(words, slot, Math.floor(number / divisor))
    else wide(slot, source[slot]!)
  }
  return slots.with(values)
}

const toBytes = (slots: Slots, { offsets, bytes }: Stored & { readonly is: 'bytes' }): ConvertedColumn => {
  const { target, count } = slots
  if (target.kind === 'utf8') {
    const isAllText = isUtf8(bytes)
    for (let slot = 0; slot < count; slot++) {
      const start = offsets[slot]!
      // Even where all bytes together are UTF-8, a value may begin within a character.
      if (slots.isNull(slot)) continue
      if (isAllText ? (bytes[start]! & 0xc0) === 0x80 && start < offsets[slot + 1]! : !isUtf8(bytes.subarray(start, offsets[slot + 1]))) {
        slots.fault(slot, badText)
      }
    }
  }
  return { column: new BytesColumn(slots.field, offsets, bytes, slots.validity), faults: slots.faults }
}

const toBits = (slots: Slots, values: Uint8Array): ConvertedColumn => {
  const bits = new Uint8Array(bitmapBytes(slots.count))
  for (let slot = 0; slot < slots.count; slot++) if (values[slot] === 1) setBit(bits, slot)
  return { column: boolColumn(slots.field, bits, slots.count, slots.validity), faults: slots.faults }
}

/** Decimals of the target's own scale whose precision it has: words are copied, digits not looked at. */
const toDecimals = (slots: Slots, stored: Stored): ConvertedColumn => {
  if (stored.is === 'words') return { column: new DecimalColumn(slots.field, stored.words, slots.validity), faults: slots.faults }
  const words = new BigInt64Array(2 * slots.count)
  const halvesOf = halves(words)
  if (stored.is === 'numbers') {
    const source = stored.values instanceof BigInt64Array ? halves(stored.values) : undefined
    for (let slot = 0; slot < slots.count; slot++) {
      const low = source === undefined ? Number(stored.values[slot]) : source[2 * slot]!
      const sign = (source === undefined ? low : source[2 * slot + 1]!) >> 31
      halvesOf[4 * slot] = low
      halvesOf[4 * slot + 1] = source === undefined ? sign : source[2 * slot + 1]!
      halvesOf[4 * slot + 2] = halvesOf[4 * slot + 3] = sign
    }
  } else if (stored.is === 'bytes') {
    const out = new Uint8Array(words.buffer)
    for (let slot = 0; slot < slots.count; slot++) {
      const start = stored.offsets[slot]!
      const end = stored.offsets[slot + 1]!
      if (start === end) continue
      if (end - start > 16) {
        const value = bigEndian(stored.bytes.subarray(start, end))
        if (BigInt.asIntN(128, value) !== value) {
          slots.fault(slot, slots.outOfRange(() => value))
          continue
        }
      }
      const fill = (stored.bytes[start]! & 0x80) === 0 ? 0 : 0xff
      for (let byte = 0; byte < 16; byte++) out[16 * slot + byte] = end - 1 - byte >= start ? stored.bytes[end - 1 - byte]! : fill
    }
  }
  return { column: new DecimalColumn(slots.field, words, slots.validity), faults: slots.faults }
}

const toAnything = (slots: Slots, type: ValueType, stored: Stored): ConvertedColumn => {
  const builder = makeBuilder(slots.field)
  const append = appender(slots.target, type, stored)
  for (let slot = 0; slot < slots.count; slot++) {
    if (slots.isNull(slot)) {
      builder.appendNull()
      continue
    }
    try {
      append(builder, slot)
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error
      slots.fault(slot, error)
      builder.truncate(slot)
      builder.appendNull()
    }
  }
  return { column: builder.finish(), faults: slots.faults }
}

/** Values of the last dictionary that was converted: batch after batch refers to the same one. */
const dictionaries = new WeakMap<Stored, { readonly target: Field; readonly values: ConvertedColumn }>()

const dictionaryValues = (target: Field, type: ValueType, stored: Stored): ConvertedColumn => {
  const held = dictionaries.get(stored)
  if (held?.target === target) return held.values
  const values = convert(new Slots(target, stored.length, undefined, jsonOf(type, stored)), type, stored)
  dictionaries.set(stored, { target, values })
  return values
}

const fromDictionary = (slots: Slots, type: ValueType, stored: Stored, indices: Int32Array): ConvertedColumn => {
  const isKept = slots.target.kind === 'dictionary'
  const values = dictionaryValues(isKept ? slots.target.params.item! : slots.target, type, stored)
  // A value that does not fit makes each of its rows bad.
  if (values.faults.size > 0) for (let slot = 0; slot < slots.count; slot++) {
    const error = values.faults.get(indices[slot]!)
    if (error !== undefined && !slots.isNull(slot)) slots.fault(slot, error)
  }
  if (isKept) return { column: new DictionaryColumn(slots.field, indices, values.column, slots.validity), faults: slots.faults }
  const picked = slots.validity === undefined ? indices : indices.map((index, slot) => (slots.isNull(slot) ? -1 : index))
  return { column: values.column.take(picked), faults: slots.faults }
}

const convert = (slots: Slots, type: ValueType, stored: Stored): ConvertedColumn => {
  const { target } = slots
  const signed = type.is !== 'integer' || type.signed
  const isNumber = type.is === 'integer' || type.is === 'float' || type.is === 'double'
  if (isNumber && stored.is === 'numbers') {
    if (target.kind === 'int64' || target.kind === 'uint64') return toIntegers64(slots, stored, signed)
    if (integers[target.kind] !== undefined || target.kind === 'float32' || target.kind === 'float64') return toNumbers(slots, stored, signed)
  }
  if (type.is === 'date' && target.kind === 'date' && stored.is === 'numbers' && stored.values instanceof Int32Array) return slots.with(stored.values)
  if (type.is === 'instant' && target.kind === 'timestamp') return toInstants(slots, stored, type.unit)
  if (type.is === 'bool' && target.kind === 'bool' && stored.is === 'bits') return toBits(slots, stored.values)
  if ((type.is === 'text' || type.is === 'bytes') && (target.kind === 'utf8' || target.kind === 'binary') && stored.is === 'bytes') return toBytes(slots, stored)
  if (type.is === 'decimal' && target.kind === 'decimal' && type.scale === (target.params.scale ?? 0) && type.precision <= (target.params.precision ?? 38)) return toDecimals(slots, stored)
  return toAnything(slots, type, stored)
}

/**
 * Stored slots as a column of `target`.
 *
 * Integers are checked against the range of the kind; floats take the nearest value they have, and finite ones stay finite; instants
 * finer than the column's unit are cut towards the past.
 */
export const convertValues = (target: Field, type: ValueType, source: StoredSlots): ConvertedColumn => {
  const { stored, indices } = source
  const json = jsonOf(type, stored)
  const slots = new Slots(target, source.slots, source.validity, indices === undefined ? json : (slot) => json(indices[slot]!))
  return indices === undefined ? convert(slots, type, stored) : fromDictionary(slots, type, stored, indices)
}
