import { giveTurn, throwIfAborted } from '@millrace/core'
import { NumberForms } from './number-forms.js'
import { ValueEvidence } from './value-evidence.js'

/** Words for a missing value that are taken for one where all other values of the column are of one kind other than text. */
export const NULL_WORDS: ReadonlySet<string> = new Set(['NA', 'N/A', '#N/A', 'null', 'NULL', 'Null', 'None', 'none', 'NaN', 'nan', '\\N', '-', '?'])

/** Columns that are looked at: of more, those that follow are alike. */
const MOST_COLUMNS = 1000

/** What a field looks like by itself. */
type FieldType = 'empty' | 'missing' | 'number' | 'bool' | 'time' | 'text'

const typeOf = (text: string): FieldType => {
  if (text === '') return 'empty'
  if (NULL_WORDS.has(text)) return 'missing'
  const evidence = new ValueEvidence({})
  evidence.untyped(text)
  const { field: { kind }, evidence: why } = evidence.decide()
  if (kind === 'bool') return 'bool'
  if (kind === 'date' || kind === 'timestamp') return 'time'
  if (kind !== 'utf8' || why !== 'texts') return 'number'
  const forms = new NumberForms({})
  forms.observe(text)
  return forms.form === undefined ? 'text' : 'number'
}

/** What all values of a column are; `text` where they differ, `empty` where there are none. */
const typeOfAll = (texts: readonly string[]): FieldType => {
  let all: FieldType = 'empty'
  for (const text of texts) {
    const type = typeOf(text)
    if (type === 'empty' || type === 'missing' || type === all) continue
    if (all !== 'empty') return 'text'
    all = type
  }
  return all
}

const pairs = [/^(true|false)$/i, /^(t|f)$/i, /^(yes|no)$/i]

/** Whether a column says yes and no in other words than this one. */
const isOtherWord = (word: string, below: readonly string[]): boolean => {
  const pair = pairs.find((words) => words.test(word))
  return pair !== undefined && below.some((text) => text !== '') && !below.some((text) => pair.test(text))
}

/** What speaks for a header, and what against one: `values`, a text `twice` in the first record, or `again` below it. */
type Sign = 'name' | 'values' | 'twice' | 'again'

/** What the first field of a column says. */
const signOf = (first: string, below: readonly string[], isFirst: boolean): Sign | undefined => {
  const type = typeOf(first)
  // After the last delimiter of a line nothing may follow; an index has no name.
  if (type === 'empty') return below.every((text) => text === '') || (isFirst && !below.includes('')) ? undefined : 'values'
  if (type === 'missing') return 'values'
  const all = typeOfAll(below)
  if (type === 'text') return all === 'text' || all === 'empty' ? (below.includes(first) ? 'again' : undefined) : 'name'
  if (all === type || all === 'empty') return type === 'bool' && isOtherWord(first, below) ? 'name' : 'values'
  if (all !== 'text') return 'name'
  return type === 'bool' ? (below.includes(first) ? 'again' : undefined) : 'values'
}

const reasons: { readonly [sign in Exclude<Sign, 'name'>]: string } = {
  values: 'The first record has values, so there is no header; header: true says otherwise.',
  twice: 'The first record has a text twice, so there is no header; header: true says otherwise.',
  again: 'Texts of the first record come again below it, so there is no header; header: true says otherwise.',
}

/** Whether a text comes twice; several columns may have no name. */
const hasTwice = (first: readonly string[]): boolean => {
  const texts = first.filter((text) => text !== '')
  return new Set(texts).size < texts.length
}

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((text, i) => text === b[i])

/**
 * Whether the first record names the columns, as it does for the reader, unless more speaks against it: texts above values of another type are
 * names; values of their column's type, words for what is missing, and texts that come again in most columns are none.
 *
 * @returns that, and why
 */
export const sniffHeader = async (records: readonly (readonly string[])[], signal: AbortSignal | undefined): Promise<readonly [boolean, string]> => {
  const [first = [], ...others] = records
  // Files that were joined have their header again.
  const rest = first.length === 1 ? others : others.filter((fields) => !isSame(fields, first))
  const signs = new Map<Sign, number>([['twice', hasTwice(first) ? 1 : 0]])
  const countOf = (sign: Sign): number => signs.get(sign) ?? 0
  const looked = first.slice(0, MOST_COLUMNS)
  for (const [i, text] of looked.entries()) {
    const sign = signOf(text, rest.map((fields) => fields[i] ?? ''), i === 0)
    if (sign !== undefined) signs.set(sign, countOf(sign) + 1)
    await giveTurn()
    throwIfAborted(signal)
  }
  // A name may be a value as well, but hardly those of most columns.
  if (2 * countOf('again') <= looked.length) signs.delete('again')
  const names = countOf('name')
  const against = (['values', 'twice', 'again'] as const).filter((sign) => countOf(sign) > 0)
  if (names < against.reduce((sum, sign) => sum + countOf(sign), 0)) return [false, reasons[against[0]!]]
  return [true, names > 0 ? 'The first record names the columns.' : 'The first record is taken for a header, though nothing but its place tells it from the others; header: false says otherwise.']
}
