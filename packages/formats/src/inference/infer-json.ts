import { expandInputs, failure, field, fromUnknown, requireOneOf, requireOptions, throwIfAborted, type Field, type FileInfo, type OptionRules, type Schema } from '@millrace/core'
import { explain, newParser } from '../json/json-file.js'
import { jsonRules, resolveJsonOptions, type JsonFormat, type JsonOptions } from '../json/json-options.js'
import type { JsonToken } from '../json/json-row.js'
import { guessFormat } from '../json/json-splitter.js'
import { WindowText } from '../json/reference-parser.js'
import { openText } from '../reading/open-text.js'
import { badValue } from '../records/index.js'
import { PassedOver } from './passed-over.js'
import { concluded, sampleRows, sampleRules, type FoundColumn, type SampleOptions } from './sample.js'
import type { SchemaReport } from './schema-report.js'
import { ValueEvidence } from './value-evidence.js'

/** Options of the inference of JSON: those of the reader that are known, and how much to look at. */
export interface InferJsonOptions extends SampleOptions, Omit<JsonOptions<Schema>, 'schema' | 'paths' | 'onBadRecord' | 'format' | 'scalarsAsText' | 'valuesAsText'> {
  readonly format?: 'json' | undefined
  /** What becomes of keys whose values are numbers or booleans here and texts there: `text`, or an `error` (default). */
  readonly mixed?: 'error' | 'text' | undefined
  /**
   * What becomes of keys whose values make no column (lists of objects or lists, objects here and something else there): they are left
   * out (default), or columns of their JSON `text`.
   */
  readonly nested?: 'text' | undefined
}

const { schema: _schema, paths: _paths, onBadRecord: _onBadRecord, scalarsAsText: _scalarsAsText, valuesAsText: _valuesAsText, ...readerRules } = jsonRules
const rules: OptionRules<InferJsonOptions> = { ...sampleRules, ...readerRules, mixed: 'any', nested: 'any' }

/** What `inferSchema` says of JSON: `readJson(source, options)` reads with it. */
export interface InferredJson {
  readonly format: 'json'
  readonly schema: Schema
  readonly report: SchemaReport
  readonly options: JsonOptions<Schema>
}

/** Keys and values of one path; a key of an object is a key of its own. */
class PathEvidence {
  readonly scalars: ValueEvidence
  readonly items: ValueEvidence
  nulls = 0
  lists = 0
  nullItems = 0
  objects = 0
  /** Values in lists that are no scalars. */
  nested = 0
  readonly keys = new Map<string, PathEvidence>()

  constructor(private readonly options: InferJsonOptions) {
    this.scalars = new ValueEvidence(options)
    this.items = new ValueEvidence(options)
  }

  key(name: string): PathEvidence {
    let found = this.keys.get(name)
    if (found === undefined) {
      if (this.keys.size >= MAX_KEYS) throw tooManyKeys()
      this.keys.set(name, (found = new PathEvidence(this.options)))
    }
    return found
  }
}

/** Beyond it keys are values, and a table of them is no use. */
const MAX_KEYS = 4096

const tooManyKeys = (): Error =>
  failure({
    tag: 'Limit', code: 'TOO_MANY_KEYS', problem: `an object has more than ${MAX_KEYS} different keys in the records that were looked at`,
    remedy: 'Give the schema, or look at fewer rows: keys that are values make no columns.',
  })

const add = (evidence: ValueEvidence, token: JsonToken): void => {
  if (token.name === 'numberValue') evidence.number(String(token.value))
  else if (token.name === 'stringValue') evidence.text(String(token.value))
  else evidence.bool(token.name === 'trueValue' ? 'true' : 'false')
}

/** Takes the value that begins at a token; gives the index after it. */
const takeValue = (tokens: readonly JsonToken[], at: number, into: PathEvidence): number => {
  const token = tokens[at]!
  switch (token.name) {
    case 'startObject': {
      into.objects++
      let i = at + 1
      while (tokens[i] !== undefined && tokens[i]!.name !== 'endObject') i = takeValue(tokens, i + 1, into.key(String((tokens[i] as { readonly value?: unknown }).value)))
      return i + 1
    }
    case 'startArray':
      into.lists++
      return takeItems(tokens, at + 1, into)
    case 'nullValue':
      into.nulls++
      return at + 1
    default:
      add(into.scalars, token)
      return at + 1
  }
}

const takeItems = (tokens: readonly JsonToken[], from: number, into: PathEvidence): number => {
  let depth = 1
  let i = from
  for (; depth > 0 && i < tokens.length; i++) {
    const token = tokens[i]!
    if (token.name === 'startObject' || token.name === 'startArray') depth++
    else if (token.name === 'endObject' || token.name === 'endArray') depth--
    else if (depth === 1 && token.name === 'nullValue') into.nullItems++
    else if (depth === 1) add(into.items, token)
    if (depth > 1) into.nested++
  }
  return i
}

/** Levels of objects and arrays: the most, and those that are open at the end. */
const depthOf = (tokens: readonly JsonToken[]): { readonly most: number; readonly end: number } => {
  let depth = 0
  let most = 0
  for (const { name } of tokens) {
    if (name === 'startObject' || name === 'startArray') most = Math.max(most, ++depth)
    else if (name === 'endObject' || name === 'endArray') depth--
  }
  return { most, end: depth }
}

/** The tokens of a record. @throws `BadRecord` for what the reader does not take either */
const tokensOf = (bytes: Uint8Array, maxDepth: number): readonly JsonToken[] => {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw badValue({ code: 'JSON_BAD_ENCODING', problem: 'the record is not UTF-8' })
  }
  let tokens: readonly JsonToken[]
  try {
    tokens = newParser()(text)
  } catch (error) {
    throw badValue({ code: 'JSON_MALFORMED', problem: explain((error as Error).message, text).problem })
  }
  if (tokens[0]?.name !== 'startObject') throw badValue({ code: 'WRONG_TYPE', problem: 'the record is not an object' })
  const depth = depthOf(tokens)
  if (depth.end > 0) throw badValue({ code: 'JSON_MALFORMED', problem: 'the record is cut short' })
  if (depth.most > maxDepth) throw badValue({ code: 'JSON_TOO_DEEP', problem: `objects and arrays are nested more than ${maxDepth} levels deep` })
  return tokens
}

const tooLong = (maxRecordBytes: number, source: string, byte: number): Error =>
  failure({ tag: 'Limit', code: 'JSON_RECORD_TOO_LONG', problem: `a record has more than ${maxRecordBytes} bytes`, remedy: 'Raise maxRecordBytes.', position: { source, byte } })

/** The tokens of each record of a file, of those that are JSON. */
async function* recordsOf(file: FileInfo, options: InferJsonOptions, bad: PassedOver, signal: AbortSignal | undefined): AsyncGenerator<readonly JsonToken[], void, undefined> {
  const { maxRecordBytes, maxDepth, format: known, records: path } = resolveJsonOptions({ ...options, format: undefined, schema: {} })
  let records: (readonly JsonToken[])[] = []
  const { compression, maxInflation, maxInflatedBytes, encoding } = options
  const text = await openText(file, { compression, maxInflation, maxInflatedBytes, encoding, signal })
  const window: WindowText = new WindowText(text.start, 1, {
    record: (start, end) => {
      try {
        records.push([...tokensOf(window.view(start, end), maxDepth)])
      } catch (error) {
        bad.add(fromUnknown(error).at({ source: file.url, line: window.lineAt(start), byte: start }).message)
      }
    },
    corrupt: (problem, byte) => failure({ tag: 'Corrupt', code: 'JSON_MALFORMED', problem, position: { source: file.url, byte } }),
    rowsRead: () => undefined,
    flush: () => undefined,
  }, path)
  let begun = known !== undefined
  try {
    if (known !== undefined) window.begin(known, false)
    for await (const chunk of text.chunks) {
      throwIfAborted(signal)
      const format: JsonFormat | undefined = begun ? undefined : guessFormat(chunk, window.end, file.url)
      if (format !== undefined) window.begin(format, false)
      begun ||= format !== undefined
      window.push(chunk)
      if (window.end - window.held > maxRecordBytes) throw tooLong(maxRecordBytes, file.url, window.held)
      yield* records
      records = []
    }
    if (begun) window.finish()
    yield* records
  } finally {
    window.destroy()
    await text.close()
  }
}

interface Leaf {
  readonly path: readonly string[]
  readonly evidence: PathEvidence
}

const leavesOf = (root: PathEvidence): readonly Leaf[] => {
  const leaves: Leaf[] = []
  const walk = (evidence: PathEvidence, path: readonly string[]): void => {
    const hasOwn = evidence.scalars.values > 0 || evidence.lists > 0 || evidence.keys.size === 0
    if (path.length > 0 && hasOwn) leaves.push({ path, evidence })
    else for (const [key, below] of evidence.keys) walk(below, [...path, key])
  }
  walk(root, [])
  return leaves
}

/** Looks at the first records of JSON files. */
export const inferJson = async (source: string | readonly string[], options: InferJsonOptions, signal: AbortSignal | undefined): Promise<InferredJson> => {
  requireOptions('inferSchema', options, rules)
  requireOneOf('mixed of inferSchema', options.mixed ?? 'error', ['error', 'text'])
  const wanted = sampleRows(options)
  const files = await expandInputs(source, signal, { requireSuccess: options.requireSuccess })
  const root = new PathEvidence(options)
  const bad = new PassedOver()
  let seen = 0
  let isWhole = true
  for (const file of files) {
    if (!isWhole) break
    for await (const tokens of recordsOf(file, options, bad, signal)) {
      if (seen === wanted) {
        isWhole = false
        break
      }
      takeValue(tokens, 0, root)
      seen++
    }
  }
  const notes = [...bad.notes(seen)]
  if (seen === 0) {
    throw failure({
      tag: 'Schema', code: 'CANNOT_INFER', problem: 'there is no record to infer columns from',
      remedy: 'Give the schema, or a source with records.', position: { source: files[0]!.url },
    })
  }
  if (seen === 1 && isWhole && options.records === undefined) {
    const around = [...root.keys].find(([, { lists, nested }]) => lists > 0 && nested > 0)?.[0]
    const key = JSON.stringify(around)
    if (around !== undefined) notes.push(`The file is one object, and an array of objects is at ${key}: records: ${key} takes these for the records.`)
  }
  return conclude(root, seen, isWhole, notes, options)
}

const conclude = (root: PathEvidence, seen: number, isWhole: boolean, notes: string[], options: InferJsonOptions): InferredJson => {
  const { rows: _rows, overrides: _overrides, nullable: _nullable, decimals: _decimals, mixed = 'error', nested, format: _format, ...reader } = options
  const paths: { [name: string]: readonly string[] } = {}
  const asText: string[] = []
  const valuesAsText: string[] = []
  const columns: FoundColumn[] = []
  for (const { path, evidence } of leavesOf(root)) {
    const name = path.join('.')
    const decided = decideLeaf(name, evidence, options, mixed)
    if (typeof decided === 'string') {
      if (nested === 'text') {
        valuesAsText.push(name)
        paths[name] = path
        const nulls = seen - evidence.scalars.values - evidence.lists - evidence.objects
        columns.push({ name, field: field.utf8(), rows: seen, nulls, examples: [], evidence: `JSON text: ${decided}`, ambiguous: [] })
      } else notes.push(`${name} is left out: ${decided}; nested: 'text' reads it as JSON text.`)
      continue
    }
    if (decided.isMixed) asText.push(name)
    paths[name] = path
    columns.push({ ...decided.column, name, rows: seen, nulls: seen - evidence.scalars.values - evidence.lists })
  }
  const { schema, report } = concluded(columns, seen, isWhole, notes, options)
  const texts = { ...(asText.length > 0 ? { scalarsAsText: asText } : {}), ...(valuesAsText.length > 0 ? { valuesAsText } : {}) }
  return { format: 'json', schema, report, options: { ...reader, schema, paths, ...texts, ...(isWhole ? {} : { inferredFrom: seen }) } }
}

type LeafDecision = { readonly column: Omit<FoundColumn, 'name' | 'rows' | 'nulls'>; readonly isMixed: boolean }

const decideLeaf = (name: string, leaf: PathEvidence, options: InferJsonOptions, mixed: 'error' | 'text'): LeafDecision | string => {
  const { scalars, items, lists, nullItems, objects, nested } = leaf
  if (objects > 0) return 'it is an object here and something else there'
  if (lists > 0 && scalars.values > 0) return 'it is a list here and something else there'
  if (nested > 0) return 'its lists hold objects or lists, which are no column'
  const values = lists > 0 ? items : scalars
  const isGiven = options.overrides !== undefined && Object.hasOwn(options.overrides, name)
  if (values.isMixed && !isGiven && (mixed === 'error' || lists > 0)) {
    throw failure({
      tag: 'Schema', code: 'MIXED_TYPES', problem: `the values of ${JSON.stringify(name)} are of several types, such as ${values.examples.join(', ')}`,
      remedy: "Pass mixed: 'text' to read them as texts, or give the field in overrides.", position: { column: name },
    })
  }
  const { field: of, evidence, ambiguous } = values.decide()
  if (lists === 0) return { column: { field: of, evidence, ambiguous, examples: values.examples }, isMixed: values.isMixed && !isGiven }
  const item: Field = nullItems > 0 ? field.nullable(of) : of
  return { column: { field: field.list(item), evidence: `lists; ${evidence}`, ambiguous, examples: values.examples }, isMixed: false }
}
