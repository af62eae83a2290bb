import { ConversionError, type ColumnBuilder, type Field } from '@millrace/core'
import { ConvertedRows, type TextAppender } from '../../columnar/converted-rows.js'
import { isVariable, RAW, textBytes, type KernelKind } from '../../columnar/kernel-columns.js'
import type { RecordFault } from '../../records/index.js'
import type { ResolvedJsonOptions } from '../json-options.js'
import type { JsonRows, RowsNeeds, TokenSink } from '../json-parser.js'
import { appendNumber, JsonRow, target } from '../json-row.js'
import type { JsonKernel } from './json-kernel.js'

/** Kind of the values of a list, or of the lists within it. */
const leafKind = ({ kind, params }: Field): string => (kind === 'list' ? leafKind(params.item!) : kind)

const hasNumber = (value: unknown): boolean => (Array.isArray(value) ? value.some(hasNumber) : typeof value === 'number')
const isFinite = (value: unknown): boolean => (Array.isArray(value) ? value.every(isFinite) : typeof value !== 'number' || Number.isFinite(value))

/** Whether `JSON.parse` has the list as it is written: integers with a point or an exponent may be rounded, numbers are no times. */
const isAsWritten = (kind: string, text: string, list: unknown): boolean => {
  if (kind === 'date' || kind === 'timestamp') return !hasNumber(list)
  return /^u?int\d+$/.test(kind) ? !/[.eE]/.test(text) : isFinite(list)
}

/** Appends a list as `JSON.parse` has it, or throws for it to go token by token. */
const listAppender = (builder: ColumnBuilder): TextAppender => {
  const kind = leafKind(builder.field)
  return (text) => {
    const list = JSON.parse(text) as unknown
    if (!isAsWritten(kind, text, list)) throw new ConversionError('OUT_OF_RANGE', 'the list has a number that is read by its text')
    builder.append(list)
  }
}

const appender = (name: string, builder: ColumnBuilder, { kind }: KernelKind): TextAppender => {
  if (kind !== RAW) return (text) => builder.append(text)
  if (builder.field.kind === 'list') return listAppender(builder)
  const column = target(name, builder)
  return (text) => appendNumber(column, text)
}

/** Rows in the kernel. Single records come as tokens. */
export class KernelRows extends ConvertedRows<JsonKernel> implements JsonRows {
  private readonly row: JsonRow

  /**
   * @param kinds - how the kernel reads the columns, which are called `names`
   */
  constructor(
    kernel: JsonKernel,
    private readonly kinds: readonly KernelKind[],
    { schema, columns }: RowsNeeds,
    names: readonly string[],
    options: ResolvedJsonOptions,
  ) {
    super(kernel, { schema, names, columns, isDeferred: kinds.map(({ isDeferred }) => isDeferred), appender: (builder, i) => appender(names[i]!, builder, kinds[i]!) })
    this.row = new JsonRow(names, this.builders, options)
  }

  begin(): TokenSink {
    this.row.begin()
    return this.row
  }

  end(): RecordFault | 'full' | undefined {
    const fault = this.row.end()
    if (fault !== undefined) {
      this.rollback()
      return fault
    }
    const columns = this.built()
    if (this.kernel.makeRoom((i) => (columns[i]?.isValid(0) === true && isVariable(this.kinds[i]!) ? textBytes(columns[i]).length : 0))) {
      this.kernel.put(columns)
      return undefined
    }
    this.rollback()
    return this.kernel.rows > 0 ? 'full' : { code: 'OUT_OF_RANGE', problem: 'there is no memory for the record' }
  }
}
