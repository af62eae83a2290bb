import { plainNumber, type NumberForm } from '../csv/number-text.js'
import { ValueEvidence, type TypingOptions } from './value-evidence.js'

/** Ways of writing numbers that are looked for where the options name none. */
const FORMS: readonly NumberForm[] = [{ decimalComma: true, thousands: '.' }, { decimalComma: false, thousands: ',' }]

/** What a column would be, were its numbers written in some form. */
interface FormEvidence {
  readonly form: NumberForm
  readonly evidence: ValueEvidence
  isNumbers: boolean
  marks: number
  groups: number
}

/** A form that all values of a column have, with what of it they need. */
export interface FoundForm extends NumberForm {
  readonly evidence: ValueEvidence
}

/** Looks whether the texts of a column are numbers in another form than JavaScript's. */
export class NumberForms {
  private readonly found: readonly FormEvidence[]

  constructor(options: TypingOptions) {
    this.found = FORMS.map((form) => ({ form, evidence: new ValueEvidence(options), isNumbers: true, marks: 0, groups: 0 }))
  }

  observe(text: string): void {
    for (const found of this.found) {
      const plain = found.isNumbers ? plainNumber(text, found.form) : undefined
      found.isNumbers = plain !== undefined
      if (plain === undefined) continue
      found.evidence.untyped(plain)
      if (found.form.decimalComma && text.includes(',')) found.marks++
      if (text.includes(found.form.thousands!)) found.groups++
    }
  }

  /** The form that makes numbers of the values, which without it are none. */
  get form(): FoundForm | undefined {
    const found = this.found.find(({ evidence, isNumbers, marks, groups }) => isNumbers && marks + groups > 0 && isNumber(evidence))
    if (found === undefined) return undefined
    return { decimalComma: found.form.decimalComma, thousands: found.groups > 0 ? found.form.thousands : undefined, evidence: found.evidence }
  }
}

const isNumber = (evidence: ValueEvidence): boolean => evidence.values > 0 && ['int64', 'uint64', 'decimal', 'float64'].includes(evidence.decide().field.kind)

/** The options that read a form. */
export const formOptions = ({ decimalComma, thousands }: NumberForm): string =>
  [...(decimalComma ? ['decimalComma: true'] : []), ...(thousands === undefined ? [] : [`thousands: ${JSON.stringify(thousands)}`])].join(', ')

/**
 * The form of a file whose numbers all have commas for points, by those of its columns that are texts otherwise; `undefined` where some numbers
 * have points, and where commas are what fields are cut at: then they may be numbers or not.
 */
export const formOfFile = (forms: readonly FoundForm[], delimiter: string, hasPoints: boolean): NumberForm | undefined => {
  const commas = forms.filter(({ decimalComma }) => decimalComma)
  if (commas.length === 0 || delimiter === ',' || hasPoints) return undefined
  return { decimalComma: true, thousands: commas.find(({ thousands }) => thousands !== undefined)?.thousands }
}
