import { ConversionError, showValue, type ColumnBuilder, type Field } from '@millrace/core'

/** How a file writes its numbers. */
export interface NumberForm {
  /** `1,5`. */
  readonly decimalComma: boolean
  /** Between groups of three digits before the decimal mark, in files that have it. */
  readonly thousands: string | undefined
}

const withComma = /^[+-]?(\d+,?\d*|,\d+)(e[+-]?\d+)?$/i
const groups = new Map<string, RegExp>()

/** Digits in groups of three: the whole of them, with a sign, where a text begins so. */
const groupsOf = (thousands: string): RegExp => {
  let found = groups.get(thousands)
  if (found === undefined) groups.set(thousands, (found = new RegExp(`^[+-]?\\d{1,3}(?:\\${thousands}\\d{3})+(?!\\d)`)))
  return found
}

/** The text of a number as JavaScript and column builders write it; `undefined` for a text that is not written in the form. */
export const plainNumber = (text: string, { decimalComma, thousands }: NumberForm): string | undefined => {
  let plain = text
  if (thousands !== undefined && text.includes(thousands)) {
    const whole = groupsOf(thousands).exec(text)?.[0]
    if (whole === undefined) return undefined
    plain = whole.replaceAll(thousands, '') + text.slice(whole.length)
    if (plain.includes(thousands)) return undefined
  }
  if (!decimalComma) return plain
  if (withComma.test(plain)) return plain.replace(',', '.')
  // Words for what is no number, such as nan, have neither.
  return /[.,]/.test(plain) ? undefined : plain
}

const isWhole = ({ kind }: Field): boolean => /^u?int\d+$/.test(kind)
const hasPoint = ({ kind }: Field): boolean => kind === 'float32' || kind === 'float64' || kind === 'decimal'

/**
 * Appends texts to a builder: numbers are read in the form of the file, and errors quote what the file has.
 *
 * @throws (what it gives) ConversionError
 */
export const textAppender = (builder: ColumnBuilder, { decimalComma, thousands }: NumberForm): ((text: string) => void) => {
  const { field } = builder
  const form = { decimalComma: decimalComma && hasPoint(field), thousands: hasPoint(field) || isWhole(field) ? thousands : undefined }
  if (!form.decimalComma && form.thousands === undefined) return (text) => builder.appendText(text)
  return (text) => {
    const plain = plainNumber(text, form)
    if (plain === undefined) throw new ConversionError('BAD_TEXT', `${showValue(text)} is not of kind ${field.kind}`)
    try {
      builder.appendText(plain)
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error
      throw new ConversionError(error.code, error.message.replace(showValue(plain), () => showValue(text)))
    }
  }
}
