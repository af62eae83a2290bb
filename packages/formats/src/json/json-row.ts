import { ConversionError, integerText, ListBuilder, showValue, type ColumnBuilder, type Field } from '@millrace/core'
import type { parser } from 'stream-json/core/parser.js'
import type { RecordFault } from '../records/index.js'
import type { ResolvedJsonOptions } from './json-options.js'
import { ValueText } from './value-text.js'

/** Token of stream-json, with values packed. */
export type JsonToken = parser.Token

/** How the text of a number gets into a column without losing a digit. */
type NumberMode = 'text' | 'integer' | 'instant' | 'value'

/** What a text stands for, where JSON has no value for that; `undefined` for other texts. */
type TextMeaning = (text: string) => number | Uint8Array | undefined

/** Where values go. */
export interface Target {
  readonly name: string
  readonly builder: ColumnBuilder
  readonly numbers: NumberMode
  /** Absent where texts are nothing but texts. */
  readonly meaning: TextMeaning | undefined
  /** Items of a list. */
  readonly items: Target | undefined
  /** Row of the builder that the record under way becomes. */
  row: number
}

/** A key on the way to columns: one of its own, or further keys below it. */
interface KeyNode {
  column: Target | undefined
  /** A column whose path ends here or below. */
  readonly leadsTo: Target | undefined
  below: Map<string, KeyNode> | undefined
}

/** What is wrong with the value of a key, which counts unless the key comes again. */
interface ValueFault {
  readonly node: KeyNode
  readonly fault: RecordFault
}

const numberMode = (field: Field): NumberMode => {
  if (field.kind === 'dictionary') return numberMode(field.params.item!)
  if (field.kind === 'float32' || field.kind === 'float64' || field.kind === 'decimal') return 'text'
  if (/^u?int\d+$/.test(field.kind)) return 'integer'
  if (field.kind !== 'date' && field.kind !== 'timestamp') return 'value'
  if (field.params.format !== undefined) return 'text'
  return field.kind === 'timestamp' ? 'instant' : 'value'
}

const floats: { readonly [text: string]: number | undefined } = { NaN, Infinity, '-Infinity': -Infinity }
const hexadecimal = /^\\x(?:[\da-f]{2})*$/i

/** NaN and infinities by their names in JavaScript; bytes as SQL writes them, two digits a byte after `\\x`. */
const textMeaning = ({ kind, params }: Field): TextMeaning | undefined => {
  if (kind === 'dictionary') return textMeaning(params.item!)
  if (kind === 'float32' || kind === 'float64') return (text) => (Object.hasOwn(floats, text) ? floats[text] : undefined)
  return kind === 'binary' ? (text) => (hexadecimal.test(text) ? Buffer.from(text.slice(2), 'hex') : undefined) : undefined
}

/** The target of a column. */
export const target = (name: string, builder: ColumnBuilder): Target => ({
  name,
  builder,
  numbers: numberMode(builder.field),
  meaning: textMeaning(builder.field),
  items: builder instanceof ListBuilder ? target(name, builder.items) : undefined,
  row: 0,
})

/** Puts one record after another into column builders, token by token. */
export class JsonRow {
  private readonly root: KeyNode = { column: undefined, leadsTo: undefined, below: new Map() }
  private readonly targets: readonly Target[]
  /** Columns of texts that take numbers and booleans. */
  private readonly asText: ReadonlySet<Target>
  /** Columns of texts that take any value, as JSON. */
  private readonly asJson: ReadonlySet<Target>
  /** Values under way that become texts, one within another. */
  private readonly captures: { readonly node: KeyNode; readonly value: ValueText }[] = []
  private readonly objects: KeyNode[] = []
  private readonly lists: Target[] = []
  private key: KeyNode | undefined
  private depth = 0
  /** Depth of the outermost list under way. */
  private listDepth = 0
  /** Depth of an object or array that no column wants; 0 when there is none. */
  private skipping = 0
  /** What is wrong with the record itself, whatever follows. */
  private fault: RecordFault | undefined
  /** What is wrong with values, in the order of the text. */
  private faults: ValueFault[] = []
  /** True when the record is nested too deep; the rest of it is not worth a parser's stack. */
  tooDeep = false
  /** Whole values at the top. */
  values = 0

  constructor(
    names: readonly string[],
    builders: readonly ColumnBuilder[],
    private readonly options: ResolvedJsonOptions,
  ) {
    this.targets = names.map((name, i) => target(name, builders[i]!))
    for (const column of this.targets) this.place(column, options.paths[column.name]!)
    const textsOf = (columns: readonly string[]): ReadonlySet<Target> => new Set(this.targets.filter(({ name, builder }) => builder.field.kind === 'utf8' && columns.includes(name)))
    this.asText = textsOf(options.scalarsAsText)
    this.asJson = textsOf(options.valuesAsText)
  }

  private place(column: Target, path: readonly string[]): void {
    let node = this.root
    for (const key of path) {
      node.below ??= new Map()
      const next: KeyNode = node.below.get(key) ?? { column: undefined, leadsTo: column, below: undefined }
      node.below.set(key, next)
      node = next
    }
    node.column = column
  }

  /** Begins the record that becomes the next row of the builders. */
  begin(): void {
    for (const column of this.targets) column.row = column.builder.length
    this.depth = 0
    this.skipping = 0
    this.values = 0
    this.tooDeep = false
    this.fault = undefined
    this.faults = []
    this.key = undefined
    this.objects.length = 0
    this.lists.length = 0
    this.captures.length = 0
  }

  /** Takes the next tokens of the record. */
  feed(tokens: readonly JsonToken[]): void {
    for (const token of tokens) {
      if (this.captures.length > 0) this.capture(token)
      switch (token.name) {
        case 'startObject':
          this.startObject()
          break
        case 'endObject':
          if (this.skipping === 0) this.objects.pop()
          this.leave()
          break
        case 'startArray':
          this.startArray()
          break
        case 'endArray':
          if (this.skipping === 0) this.endArray()
          this.leave()
          break
        case 'keyValue':
          if (this.skipping === 0) this.beginMember(token.value)
          break
        case 'stringValue':
          this.scalar(token.value, false)
          break
        case 'numberValue':
          this.scalar(token.value, true)
          break
        case 'trueValue':
        case 'falseValue':
        case 'nullValue':
          this.scalar(token.value, false)
          break
        default:
          break
      }
    }
  }

  /** Ends the record: columns that it did not name are null. What a record with a fault has appended must be rolled back. */
  end(): RecordFault | undefined {
    const fault = this.faults[0]?.fault ?? this.fault
    if (fault !== undefined) return fault
    for (const { name, builder, row } of this.targets) {
      if (builder.length > row) continue
      try {
        builder.appendNull()
      } catch (error) {
        return this.faultOf(error, name)
      }
    }
    return undefined
  }

  private enter(): void {
    if (++this.depth <= this.options.maxDepth) return
    this.tooDeep = true
    this.failRecord({ code: 'JSON_TOO_DEEP', problem: `objects and arrays are nested more than ${this.options.maxDepth} levels deep` })
  }

  private leave(): void {
    if (this.skipping === this.depth) this.skipping = 0
    if (--this.depth === 0) this.values++
  }

  /** A key that comes twice counts the last time, as in JSON.parse: what it and the keys below it have brought is forgotten. */
  private beginMember(name: string): void {
    this.key = this.objects[this.objects.length - 1]!.below?.get(name)
    if (this.key !== undefined) this.forget(this.key)
  }

  private forget(node: KeyNode): void {
    const { column, below } = node
    if (column !== undefined) column.builder.truncate(column.row)
    if (this.faults.length > 0) this.faults = this.faults.filter((fault) => fault.node !== node)
    if (below !== undefined) for (const next of below.values()) this.forget(next)
  }

  private startObject(): void {
    this.enter()
    if (this.skipping > 0) return
    const list = this.lists[this.lists.length - 1]
    const node = this.depth === 1 ? this.root : this.key
    const isText = list === undefined && this.beginText('startObject')
    if (list === undefined && node?.below !== undefined) {
      this.objects.push(node)
      return
    }
    const column = list ?? node?.column
    this.skipping = this.depth
    if (column !== undefined && !isText) this.wrong('an object', column)
  }

  private startArray(): void {
    this.enter()
    if (this.skipping > 0) return
    const outer = this.lists[this.lists.length - 1]
    const column = outer === undefined ? (this.depth === 1 ? undefined : this.key?.column) : outer.items
    const isText = outer === undefined && this.beginText('startArray')
    if (column?.items !== undefined) {
      if (outer === undefined) this.listDepth = this.depth
      this.lists.push(column)
      return
    }
    this.skipping = this.depth
    if (this.depth === 1) this.failRecord({ code: 'WRONG_TYPE', problem: 'the record is an array, not an object' })
    else if (outer !== undefined) this.wrong('an array', outer)
    else if (column === undefined && this.key?.below !== undefined) this.notAnObject('an array', this.key)
    else if (column !== undefined && !isText) this.wrong('an array', column)
  }

  private endArray(): void {
    const list = this.lists.pop()!
    try {
      ;(list.builder as ListBuilder).endList()
    } catch (error) {
      this.fail(this.faultOf(error, list.name))
    }
  }

  private scalar(value: string | boolean | null, isNumber: boolean): void {
    if (this.depth === 0) {
      this.values++
      return this.failRecord({ code: 'WRONG_TYPE', problem: `the record is ${value === null ? 'null' : isNumber ? 'a number' : `a ${typeof value}`}, not an object` })
    }
    if (this.skipping > 0) return
    const list = this.lists[this.lists.length - 1]
    const column = list === undefined ? this.key?.column : list.items
    if (column === undefined) {
      if (list === undefined && this.key?.below !== undefined && value !== null) this.notAnObject(showValue(value), this.key)
      return
    }
    if (value !== null && this.asJson.has(column)) return this.putText(this.key!, isNumber || typeof value !== 'string' ? String(value) : JSON.stringify(value))
    if (typeof value === 'string' && value.length > this.options.maxStringLength) {
      return this.fail({ code: 'JSON_STRING_TOO_LONG', problem: `the string has ${value.length} characters, and at most ${this.options.maxStringLength} are read`, column: column.name })
    }
    try {
      if (value !== null && typeof value !== 'string' && this.asText.has(column)) column.builder.append(String(value))
      else if (isNumber && this.asText.has(column)) column.builder.append(value)
      else if (isNumber) appendNumber(column, value as string)
      else if (typeof value === 'string') column.builder.append(column.meaning?.(value) ?? value)
      else column.builder.append(value)
    } catch (error) {
      this.fail(this.faultOf(error, column.name))
    }
  }

  /** Begins the text of an object or array where its column takes it. */
  private beginText(name: 'startObject' | 'startArray'): boolean {
    const node = this.depth === 1 ? undefined : this.key
    if (node?.column === undefined || !this.asJson.has(node.column)) return false
    const value = new ValueText()
    value.take({ name } as JsonToken)
    this.captures.push({ node, value })
    return true
  }

  private capture(token: JsonToken): void {
    let ended = 0
    for (const { value } of this.captures) if (value.take(token)) ended++
    for (; ended > 0; ended--) {
      const { node, value } = this.captures.pop()!
      this.putText(node, value.text)
    }
  }

  private putText(node: KeyNode, text: string): void {
    const { name, builder } = node.column!
    if (text.length <= this.options.maxStringLength) return void builder.append(text)
    this.fail({ code: 'JSON_STRING_TOO_LONG', problem: `the text has ${text.length} characters, and at most ${this.options.maxStringLength} are read`, column: name }, node)
  }

  private wrong(what: string, { name, builder }: Target): void {
    this.fail({ code: 'WRONG_TYPE', problem: `${what} is not of kind ${builder.field.kind}`, column: name })
  }

  private notAnObject(what: string, { leadsTo }: KeyNode): void {
    const { name } = leadsTo!
    const path = this.options.paths[name]!
    this.fail({
      code: 'WRONG_TYPE', column: name,
      problem: `${what} stands at ${JSON.stringify(path.slice(0, this.objects.length).join('.'))} where an object is due, since the path of the column is ${JSON.stringify(path.join('.'))}`,
    })
  }

  /** Ends the value of a key; the list that is under way is passed over. */
  private fail(fault: RecordFault, node = this.key!): void {
    this.faults.push({ node, fault })
    if (this.lists.length === 0) return
    const [list] = this.lists
    this.lists.length = 0
    list!.builder.truncate(list!.row)
    this.skipping = this.listDepth
  }

  /** Ends the record: nothing in it counts any more. */
  private failRecord(fault: RecordFault): void {
    this.fault ??= fault
    this.skipping = 1
  }

  private faultOf(error: unknown, column: string): RecordFault {
    if (error instanceof ConversionError) return { code: error.code, problem: error.message, column }
    throw error
  }
}

/** Characters of an instant that are looked at: more than 64 bits have. */
const LONGEST_INSTANT = 40

const shownNumber = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text)

/**
 * Appends a number by its text: digit by digit, and by the column's format where that has one, as a text of the same characters.
 *
 * @throws ConversionError when it does not fit
 */
export const appendNumber = ({ builder, numbers }: Target, text: string): void => {
  if (numbers === 'text') return builder.appendText(text)
  if (numbers === 'value') return builder.append(Number(text))
  const integer = integerText(text)
  if (integer === undefined) throw new ConversionError('WRONG_TYPE', `${shownNumber(text)} (number) is not of kind ${builder.field.kind}`)
  if (numbers === 'integer') return builder.appendText(integer)
  // Instants as numbers are in the unit of the column; longer ones are out of range whatever their digits.
  builder.append(BigInt(integer.slice(0, LONGEST_INSTANT)))
}
