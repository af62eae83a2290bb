import { expandInputs, failure, field, giveTurn, hasTag, requireOneOf, requireOptions, throwIfAborted, type Field, type FileInfo, type OptionRules, type Schema } from '@millrace/core'
import { endsWithinText, explain, newParser } from '../json/json-file.js'
import { DEFAULT_MAX_DEPTH, jsonRules, resolveJsonOptions, type JsonFormat, type JsonOptions } from '../json/json-options.js'
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

/** Takes the tokens of records into evidence, one by one. */
class EvidenceWalk {
  private readonly objects: PathEvidence[] = []
  private into: PathEvidence
  private list: PathEvidence | undefined
  /** Levels within the list. */
  private depth = 0

  constructor(root: PathEvidence) {
    this.into = root
  }

  take(token: JsonToken): void {
    if (this.list !== undefined) return this.takeItem(token, this.list)
    switch (token.name) {
      case 'startObject':
        this.into.objects++
        this.objects.push(this.into)
        return
      case 'endObject':
        this.objects.pop()
        return
      case 'keyValue':
        this.into = this.objects[this.objects.length - 1]!.key(String(token.value))
        return
      case 'startArray':
        this.into.lists++
        this.list = this.into
        this.depth = 1
        return
      case 'nullValue':
        this.into.nulls++
        return
      default:
        add(this.into.scalars, token)
    }
  }

  private takeItem(token: JsonToken, list: PathEvidence): void {
    if (token.name === 'startObject' || token.name === 'startArray') this.depth++
    else if (token.name === 'endObject' || token.name === 'endArray') this.depth--
    else if (this.depth === 1 && token.name === 'nullValue') list.nullItems++
    else if (this.depth === 1) add(list.items, token)
    if (this.depth > 1) list.nested++
    if (this.depth === 0) this.list = undefined
  }
}

/** Text goes to the parser in pieces of this many characters, with turns of the event loop in between. */
const PIECE = 64 * 1024

/** A record as it stands in its file. */
interface RawRecord {
  readonly bytes: Uint8Array
  readonly byte: number
  readonly line: number
}

/** The tokens of a record, piece by piece. @throws `BadRecord` for what the reader does not take either */
const tokensOf = async ({ bytes }: RawRecord, maxDepth: number): Promise<readonly (readonly JsonToken[])[]> => {
  let text: string
  try {
    // A number ends only where something else begins.
    text = `${new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)}\n`
  } catch {
    throw badValue({ code: 'JSON_BAD_ENCODING', problem: 'the record is not UTF-8' })
  }
  const pieces: (readonly JsonToken[])[] = []
  const parse = newParser()
  let depth = 0
  let isOver = false
  for (let at = 0; at < text.length; at += PIECE) {
    const tokens = parsed(parse, text, at)
    if (at === 0 && tokens[0]?.name !== 'startObject') throw badValue({ code: 'WRONG_TYPE', problem: 'the record is not an object' })
    for (const { name } of tokens) {
      if (isOver) throw badValue({ code: 'JSON_MALFORMED', problem: 'there is more after the record' })
      if (name === 'startObject' || name === 'startArray') depth++
      else if (name === 'endObject' || name === 'endArray') depth--
      if (depth > maxDepth) throw badValue({ code: 'JSON_TOO_DEEP', problem: `objects and arrays are nested more than ${maxDepth} levels deep` })
      isOver = depth === 0
    }
    pieces.push(tokens)
    const turn = giveTurn()
    if (turn !== undefined) await turn
  }
  if (depth > 0) throw badValue({ code: 'JSON_MALFORMED', problem: 'the record is cut short' })
  if (endsWithinText(text)) throw badValue({ code: 'JSON_MALFORMED', problem: 'there is a text after the record that does not end' })
  return pieces
}

/** The tokens of the piece at an offset; the array is the parser's. */
const parsed = (parse: (text: string) => readonly JsonToken[], text: string, at: number): readonly JsonToken[] => {
  try {
    return [...parse(text.length <= PIECE ? text : text.slice(at, at + PIECE))]
  } catch (error) {
    throw badValue({ code: 'JSON_MALFORMED', problem: explain((error as Error).message, text).problem })
  }
}

const tooLong = (maxRecordBytes: number, source: string, byte: number): Error =>
  failure({ tag: 'Limit', code: 'JSON_RECORD_TOO_LONG', problem: `a record has more than ${maxRecordBytes} bytes`, remedy: 'Raise maxRecordBytes.', position: { source, byte } })

/** The records of a file. */
async function* recordsOf(file: FileInfo, options: InferJsonOptions, signal: AbortSignal | undefined): AsyncGenerator<RawRecord, void, undefined> {
  const { maxRecordBytes, format: known, records: path } = resolveJsonOptions({ ...options, format: undefined, schema: {} })
  let records: RawRecord[] = []
  const { compression, maxInflation, maxInflatedBytes, encoding } = options
  const text = await openText(file, { compression, maxInflation, maxInflatedBytes, encoding, signal })
  const window: WindowText = new WindowText(text.start, 1, {
    record: (start, end) => void records.push({ bytes: window.view(start, end).slice(), byte: start, line: window.lineAt(start) }),
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

const takeRecord = async (pieces: readonly (readonly JsonToken[])[], root: PathEvidence, signal: AbortSignal | undefined): Promise<void> => {
  const walk = new EvidenceWalk(root)
  for (const tokens of pieces) {
    for (const token of tokens) walk.take(token)
    const turn = giveTurn()
    if (turn !== undefined) await turn
    throwIfAborted(signal)
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
  const { maxDepth = DEFAULT_MAX_DEPTH } = options
  let seen = 0
  let isWhole = true
  for (const file of files) {
    if (!isWhole) break
    for await (const record of recordsOf(file, options, signal)) {
      if (seen === wanted) {
        isWhole = false
        break
      }
      try {
        const pieces = await tokensOf(record, maxDepth)
        await takeRecord(pieces, root, signal)
        seen++
      } catch (error) {
        if (!hasTag(error, 'BadRecord')) throw error
        bad.add(error.at({ source: file.url, line: record.line, byte: record.byte }).message)
      }
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
