import { expandInputs, giveTurn, quarantine, requireOptions, throwIfAborted, type FileInfo, type OptionRules, type Position, type Schema } from '@millrace/core'
import { csvRules, resolveCsvOptions, type CsvOptions } from '../csv/csv-options.js'
import { CsvSplitter } from '../csv/csv-splitter.js'
import { plainNumber, type NumberForm } from '../csv/number-text.js'
import { isBlankLine } from '../csv/csv-file.js'
import { columnNames, readCsv } from '../csv/read-csv.js'
import { skipLines } from '../csv/skip-lines.js'
import { openText } from '../reading/open-text.js'
import { formOfFile, formOptions, NumberForms, type FoundForm } from './number-forms.js'
import { PassedOver } from './passed-over.js'
import { concluded, sampleRows, sampleRules, type FoundColumn, type SampleOptions } from './sample.js'
import type { SchemaReport } from './schema-report.js'
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

const DELIMITERS = [',', '\t', ';', '|']
/** Words for a missing value that are taken for one where all other values of the column are of one kind other than text. */
const NULL_WORDS = new Set(['NA', 'N/A', '#N/A', 'null', 'NULL', 'Null', 'None', 'none', 'NaN', 'nan', '\\N', '-', '?'])
const SNIFFED_RECORDS = 50

/** The first records of a file, cut by one delimiter. */
const firstRecords = async (file: FileInfo, options: CsvOptions, delimiter: string, signal: AbortSignal | undefined): Promise<readonly (readonly string[])[]> => {
  const records: (readonly string[])[] = []
  const resolved = resolveCsvOptions({ ...options, delimiter })
  const text = await openText(file, { compression: options.compression, maxInflation: options.maxInflation, maxInflatedBytes: options.maxInflatedBytes, encoding: options.encoding, signal })
  let splitter: CsvSplitter | undefined
  try {
    const { start, line, chunks } = await skipLines(text, resolved, file.url)
    splitter = new CsvSplitter(resolved, file.url, start, line, {
      record: (fields, from, to) => void (isBlankLine(fields, from, to) || records.push(fields)),
      malformed: () => undefined,
    })
    for await (const chunk of chunks) {
      await splitter.push(chunk)
      if (records.length >= SNIFFED_RECORDS) return records.slice(0, SNIFFED_RECORDS)
    }
    await splitter.finish()
    return records
  } finally {
    splitter?.destroy()
    await text.close()
  }
}

/** How well a delimiter cuts: the share of records with as many fields as the first, and how many these are. */
const score = (records: readonly (readonly string[])[]): number => {
  const width = records[0]?.length ?? 0
  if (width < 2) return 0
  return records.filter((fields) => fields.length === width).length / records.length + Math.min(width, 1000) / 1e6
}

const sniffDelimiter = async (file: FileInfo, options: CsvOptions, signal: AbortSignal | undefined): Promise<readonly [string, readonly (readonly string[])[]]> => {
  let best: readonly [string, readonly (readonly string[])[]] | undefined
  for (const delimiter of options.delimiter === undefined ? DELIMITERS : [options.delimiter]) {
    const records = await firstRecords(file, options, delimiter, signal).catch(() => [])
    if (best === undefined || score(records) > score(best[1])) best = [delimiter, records]
  }
  return best!
}

const isName = (text: string): boolean => {
  const evidence = new ValueEvidence({})
  evidence.untyped(text)
  return text !== '' && evidence.decide().evidence === 'texts'
}

/** Whether the first record names the columns, and why. */
const sniffHeader = (records: readonly (readonly string[])[]): readonly [boolean, string] => {
  const [first = [], ...rest] = records
  if (!first.every(isName)) return [false, 'The first record has values, so there is no header; header: true says otherwise.']
  if (new Set(first).size < first.length) return [false, 'The first record has a text twice, so there is no header; header: [...] gives names.']
  const isTyped = first.some((_, i) => rest.length > 0 && rest.every((fields) => !isName(fields[i] ?? '')))
  return [true, isTyped ? 'The first record names the columns.' : 'The first record is taken for a header, though nothing but its place tells it from the others; header: false says otherwise.']
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

/** The form of numbers that the options name, if they do. */
const givenForm = ({ decimalComma, thousands }: InferCsvOptions): NumberForm | undefined =>
  decimalComma === undefined && thousands === undefined ? undefined : { decimalComma: decimalComma ?? false, thousands }

/** Looks at the first rows of CSV files. */
export const inferCsv = async (source: string | readonly string[], options: InferCsvOptions, signal: AbortSignal | undefined): Promise<InferredCsv> => {
  requireOptions('inferSchema', options, rules)
  const { rows: _rows, overrides: _overrides, nullable: _nullable, decimals: _decimals, format: _format, ...given } = options
  const wanted = sampleRows(options)
  const files = await expandInputs(source, signal, { requireSuccess: options.requireSuccess })
  const [delimiter, records] = await sniffDelimiter(files[0]!, given, signal)
  const notes: string[] = []
  if (given.delimiter === undefined) notes.push(`Fields are cut at ${JSON.stringify(delimiter)}; delimiter says otherwise.`)
  let { header } = given
  if (header === undefined) {
    const [isHeader, why] = sniffHeader(records)
    header = isHeader
    notes.push(why)
  }
  const reader: CsvOptions = { ...given, delimiter, header }
  const names = await columnNames(files[0]!, resolveCsvOptions(reader), signal)
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
      for (let row = 0; row < rows; row++) observe(of, column.isValid(row) ? String(column.get(row)) : '', form)
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
  return conclude(found, partitions, seen, isWhole, notes, reader, options)
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
  partitions: Schema,
  seen: number,
  isWhole: boolean,
  notes: readonly string[],
  reader: CsvOptions,
  options: InferCsvOptions,
): InferredCsv => {
  const tokens = new Set(options.nullTokens ?? [''])
  const { form, forms } = numberForms(found, reader.delimiter!)
  const columns = [...found].map(([name, { evidence: asWritten, words, empty }]): FoundColumn => {
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
  const { schema, report } = concluded([...columns, ...folders], seen, isWhole, assumed, options)
  return { format: 'csv', schema, report, options: { ...reader, ...form, schema, nullTokens: [...tokens], ...(isWhole ? {} : { inferredFrom: seen }) } }
}
