import { expandInputs, failure, giveTurn, quarantine, requireOptions, throwIfAborted, type FileInfo, type OptionRules, type Position, type Schema } from '@millrace/core'
import { csvRules, resolveCsvOptions, type CsvOptions } from '../csv/csv-options.js'
import { plainNumber, type NumberForm } from '../csv/number-text.js'
import { columnNames, readCsv } from '../csv/read-csv.js'
import { formOfFile, formOptions, NumberForms, type FoundForm } from './number-forms.js'
import { PassedOver } from './passed-over.js'
import { concluded, sampleRows, sampleRules, type FoundColumn, type SampleOptions } from './sample.js'
import type { SchemaReport } from './schema-report.js'
import { sniffCsv } from './sniff-csv.js'
import { NULL_WORDS, sniffHeader } from './sniff-header.js'
import { ValueEvidence } from './value-evidence.js'

/** Options of the inference of CSV: those of the reader that are known, and how much to look at. */
export interface InferCsvOptions extends SampleOptions, Omit<CsvOptions, 'columns' | 'onBadRecord'> {
  readonly format?: 'csv' | undefined
}

const { columns: _columns, onBadRecord: _onBadRecord, schema: _schema, ...readerRules } = csvRules
const rules: OptionRules<InferCsvOptions> = { ...sampleRules, format: 'any', ...readerRules }

/** What `inferSchema` says of CSV: `readCsv(source, options)` reads with it. */
export interface InferredCsv {
  readonly format: 'csv'
  readonly schema: Schema
  readonly report: SchemaReport
  readonly options: CsvOptions & { readonly schema: Schema }
}

interface Found {
  readonly evidence: ValueEvidence
  readonly forms: NumberForms
  readonly words: Map<string, number>
  empty: number
}

const noneYet = (options: InferCsvOptions): Found => ({ evidence: new ValueEvidence(options), forms: new NumberForms(options), words: new Map(), empty: 0 })

const observe = (found: Found, text: string, given: NumberForm | undefined): void => {
  if (text === '') found.empty++
  else if (NULL_WORDS.has(text)) found.words.set(text, (found.words.get(text) ?? 0) + 1)
  else if (given !== undefined) found.evidence.untyped(plainNumber(text, given) ?? text)
  else {
    found.evidence.untyped(text)
    found.forms.observe(text)
  }
}

/** Rows of a column between which the event loop may have its turn: where times are looked for, one row takes long. */
const ROWS_BETWEEN_TURNS = 256

/** Most columns whose names a remedy writes out. */
const MOST_NAMES = 20

/** The names, each of them once: with a number where it comes again. */
const distinct = (names: readonly string[]): readonly string[] => {
  const taken = new Set<string>()
  return names.map((name) => {
    let own = name
    for (let number = 2; taken.has(own) || (number > 2 && names.includes(own)); number++) own = `${name}_${number}`
    taken.add(own)
    return own
  })
}

/** @throws `Schema` for a header that names a column twice: by its name nobody could ask for it */
const requireNamesOnce = (names: readonly string[], { skipLines = 0 }: CsvOptions, file: FileInfo): void => {
  const seen = new Set<string>()
  const twice = names.find((name) => seen.size === seen.add(name).size)
  if (twice === undefined) return
  const header = names.length > MOST_NAMES ? '[…]' : JSON.stringify(distinct(names))
  throw failure({
    tag: 'Schema', code: 'CSV_DUPLICATE_COLUMN', problem: `the header names the column ${JSON.stringify(twice)} twice`,
    remedy: `Give names in its place: skipLines: ${skipLines + 1}, header: ${header}.`, position: { source: file.url, column: twice },
  })
}

/** The form of numbers that the options name, if they do. */
const givenForm = ({ decimalComma, thousands }: InferCsvOptions): NumberForm | undefined =>
  decimalComma === undefined && thousands === undefined ? undefined : { decimalComma: decimalComma ?? false, thousands }

/** Looks at the first rows of CSV files. */
export const inferCsv = async (source: string | readonly string[], options: InferCsvOptions, signal: AbortSignal | undefined): Promise<InferredCsv> => {
  requireOptions('inferSchema', options, rules)
  const { rows: _rows, overrides: _overrides, nullable: _nullable, decimals: _decimals, format: _format, ...given } = options
  const wanted = sampleRows(options)
  const files = await expandInputs(source, signal, { requireSuccess: options.requireSuccess })
  const { file, delimiter, records } = await sniffCsv(files, given, signal)
  const notes: string[] = []
  if (given.delimiter === undefined) notes.push(`Fields are cut at ${JSON.stringify(delimiter)}; delimiter says otherwise.`)
  let { header } = given
  if (header === undefined) {
    const [isHeader, why] = await sniffHeader(records, signal)
    header = isHeader
    notes.push(why)
  }
  const reader: CsvOptions = { ...given, delimiter, header }
  const names = await columnNames(file, resolveCsvOptions(reader), signal)
  requireNamesOnce(names, reader, file)
  const found = new Map<string, Found>(names.map((name) => [name, noneYet(options)]))
  let partitions: Schema = {}
  let seen = 0
  let isWhole = true
  const form = givenForm(options)
  const bad = new PassedOver()
  const onBadRecord = quarantine(({ reason }) => bad.add(reason))
  for await (const batch of readCsv(source, { ...reader, nullTokens: [], onBadRecord, batchRows: Math.min(4096, wanted) }).open({ signal })) {
    partitions = Object.fromEntries(Object.entries(batch.schema).filter(([, { kind }]) => kind !== 'utf8'))
    const rows = Math.min(batch.numRows, wanted - seen)
    for (const [name, column] of Object.entries(batch.columns)) {
      if (Object.hasOwn(partitions, name)) continue
      const of = found.get(name) ?? noneYet(options)
      found.set(name, of)
      for (let row = 0; row < rows; row++) {
        observe(of, column.isValid(row) ? String(column.get(row)) : '', form)
        if (row % ROWS_BETWEEN_TURNS === 0) await giveTurn()
      }
      // Of ten thousand columns a batch takes seconds.
      await giveTurn()
      throwIfAborted(signal)
    }
    seen += rows
    if (seen < wanted) continue
    isWhole = rows === batch.numRows && (await isLast(source, reader, batch.position, signal))
    break
  }
  notes.push(...bad.notes(seen))
  if (seen === 0) notes.push('There is no row: the columns are taken for texts.')
  const nameless = new Set(header === true ? names.filter((_, i) => records[0]?.[i] === '') : [])
  return conclude(found, nameless, partitions, seen, isWhole, notes, reader, options)
}

const isLast = async (source: string | readonly string[], reader: CsvOptions, from: Position | undefined, signal: AbortSignal | undefined): Promise<boolean> => {
  for await (const batch of readCsv(source, { ...reader, onBadRecord: 'skip', batchRows: 1 }).open({ signal, from })) return batch.numRows === 0
  return true
}

/** The forms of numbers that make numbers of columns, and that of the file where it is to be told. */
const numberForms = (found: ReadonlyMap<string, Found>, delimiter: string): { readonly form: NumberForm | undefined; readonly forms: ReadonlyMap<string, FoundForm> } => {
  const forms = new Map<string, FoundForm>()
  let hasPoints = false
  for (const [name, { evidence, forms: of }] of found) {
    const kind = evidence.values === 0 ? 'utf8' : evidence.decide().field.kind
    const form = kind === 'utf8' ? of.form : undefined
    if (form !== undefined) forms.set(name, form)
    hasPoints ||= kind === 'float64' || kind === 'decimal'
  }
  return { form: formOfFile([...forms.values()], delimiter, hasPoints), forms }
}

const conclude = (
  found: ReadonlyMap<string, Found>,
  nameless: ReadonlySet<string>,
  partitions: Schema,
  seen: number,
  isWhole: boolean,
  notes: readonly string[],
  reader: CsvOptions,
  options: InferCsvOptions,
): InferredCsv => {
  const tokens = new Set(options.nullTokens ?? [''])
  const { form, forms } = numberForms(found, reader.delimiter!)
  // After the last delimiter of each line.
  const isNothing = (name: string, { evidence, words }: Found): boolean => nameless.has(name) && seen > 0 && evidence.values === 0 && words.size === 0
  const columns = [...found].filter(([name, of]) => !isNothing(name, of)).map(([name, { evidence: asWritten, words, empty }]): FoundColumn => {
    const own = forms.get(name)
    const evidence = own !== undefined && form !== undefined && own.decimalComma ? own.evidence : asWritten
    const hint = own === undefined || evidence === own.evidence ? [] : [`all values are numbers with ${formOptions(own)}`]
    const isTyped = evidence.values > 0 && evidence.decide().field.kind !== 'utf8'
    const asNull = [...words].filter(([word]) => (options.nullTokens === undefined ? isTyped : tokens.has(word)))
    for (const [word] of asNull) tokens.add(word)
    // In a column of texts they are texts.
    for (const [word] of words) if (!asNull.some(([other]) => other === word)) evidence.text(word)
    const { field: of, evidence: why, ambiguous } = evidence.decide()
    const missing = asNull.length === 0 ? [] : [`${asNull.map(([word, count]) => `${JSON.stringify(word)} (${count} times)`).join(', ')} mean null; nullTokens says otherwise`]
    return { name, field: of, rows: seen, nulls: asNull.reduce((sum, [, count]) => sum + count, empty), examples: asWritten.examples, evidence: why, ambiguous: [...missing, ...hint, ...ambiguous] }
  })
  const folders = Object.entries(partitions).map(([name, of]): FoundColumn => ({ name, field: of, rows: seen, nulls: 0, examples: [], evidence: 'from the names of folders', ambiguous: [] }))
  const assumed = form === undefined ? notes : [...notes, `Numbers are taken to be written with decimal commas (${formOptions(form)}); decimalComma: false says otherwise.`]
  const told = columns.length < found.size ? [...assumed, 'A column without a name has no values either, and is left out.'] : assumed
  const { schema, report } = concluded([...columns, ...folders], seen, isWhole, told, options)
  return { format: 'csv', schema, report, options: { ...reader, ...form, schema, nullTokens: [...tokens], ...(isWhole ? {} : { inferredFrom: seen }) } }
}
