import { countIn, fieldIn, throwIfAborted, type Json, type Batch, type Schema, type Stream } from '@millrace/core'
import { byteSpans } from '../reading/byte-spans.js'
import { fileBytes } from '../reading/file-bytes.js'
import { faultsLast } from '../reading/faults-last.js'
import { LinesOfSpan } from '../reading/line-span.js'
import { encodingOf, openText } from '../reading/open-text.js'
import { plainHead } from '../reading/plain-head.js'
import { readFiles, type FileReader, type FileSpan, type FileSpans, type FileTask } from '../reading/read-files.js'
import { requireForms, type OptionForms } from '../reading/require-forms.js'
import { requireReading } from '../reading/require-reading.js'
import { delivered } from '../reading/text-outcomes.js'
import { sentOptions } from '../workers/sent-options.js'
import { bytesBeyond, firstKey, recordEndAt } from './array-parts.js'
import { chooseParser } from './choose-parser.js'
import { columnarParser } from './columnar/columnar-parser.js'
import { JsonFile, type JsonPlace } from './json-file.js'
import type { JsonParser } from './json-parser.js'
import { jsonPlanOptions, jsonRules, resolveJsonOptions, type JsonOptions, type ResolvedJsonOptions } from './json-options.js'
import { referenceParser } from './reference-parser.js'

/**
 * Reads JSON: one array of objects, or an object a line (JSON Lines), from a path, a URL, a folder, a glob, or several, packed or not (gzip, brotli, zstd, zlib).
 *
 * Tokens go into the columns as they come, numbers as texts, so that 64-bit integers and decimals keep every digit. A value must
 * have the type of its column: numbers for number kinds (`3.0` is an integer too), strings for `utf8`, `date`, `timestamp`,
 * `decimal`; arrays for lists; a timestamp may also be an integer in the column's unit. What JSON has no value for comes as a string: `"NaN"`, `"Infinity"`
 * and `"-Infinity"` in floats, `"\\x00ff"`, two digits a byte, in `binary`; so bad rows of Parquet, Arrow and databases are read again as they were. A missing key is a null, as is `null`.
 * Of a key that comes twice the last counts, if the others fit too. A value that does not fit makes its record bad (see `onBadRecord`); so does a line
 * that is not JSON; in an array an element is that still ends where its brackets and quotes say, and other bad syntax is `Corrupt`, since no
 * record after it can be told. With `onBadRecord: 'fail'`,
 * columns that nobody looks at are not converted, so they are not checked either.
 *
 * Positions are byte offsets: resuming reads a plain UTF-8 file from there; other files are inflated and decoded up to there.
 *
 * @throws (while reading) `NotFound`, `BadRecord`, `Corrupt`, `Limit`
 * @see https://www.rfc-editor.org/rfc/rfc8259 and https://jsonlines.org
 */
export const readJson = <S extends Schema>(source: string | readonly string[], options: JsonOptions<S>): Stream<S, 'cold'> => readFiles(jsonFiles(source, options))

const JSON_FORMS: OptionForms = {
  paths: 'an object of paths, each a text or a list of keys', records: 'a text or a list of texts', scalarsAsText: 'true, or a list of names', valuesAsText: 'a list of texts',
}

/** How files of JSON are read. */
export const jsonFiles = <S extends Schema>(source: string | readonly string[], options: JsonOptions<S>): FileReader<S> => {
  requireReading('readJson', source, options, { options: jsonRules, words: { format: ['array', 'lines'] } })
  requireForms('readJson', options, JSON_FORMS)
  const resolved = resolveJsonOptions(options)
  const { schema } = options
  return {
    format: 'json', rawEncoding: 'utf-8', source, schema, input: options, onBadRecord: options.onBadRecord, options: jsonPlanOptions(options, chooseParser(schema, resolved)), remote: sentOptions(options),
    readFile: (task) => readFile(task, task.schema ?? schema, resolved),
    spans: (task, splitBytes) => recordSpans(task, splitBytes, resolved),
  }
}

/** The parts of a file of lines or of one array; of a packed file, one of another encoding than UTF-8, and an array whose records begin with no key, there are none. */
const recordSpans = async (task: FileTask, splitBytes: number, { format, records, packed, encoding }: ResolvedJsonOptions): Promise<FileSpans | undefined> => {
  const { file, context: { signal } } = task
  const head = await plainHead(file, { packed, encoding, signal })
  if (head === undefined) return undefined
  const { mark } = encodingOf(head, undefined)
  const begins = Buffer.from(head.subarray(mark)).toString('latin1').trimStart()
  if (format !== 'array' && begins.startsWith('{')) {
    const place: JsonPlace = { format: 'lines', byte: mark, record: 0, line: 1 }
    return { ...byteSpans(task, splitBytes, mark), from: mark === 0 ? undefined : { ...place } }
  }
  const isArray = records !== undefined || (format !== 'lines' && begins.startsWith('['))
  const key = isArray ? await firstKey(file, mark, records, signal) : undefined
  if (key === undefined) return undefined
  const { bounds, areGuesses } = byteSpans(task, splitBytes, mark)
  const from: ArrayBeginning = { format: 'array', byte: mark, record: 0, line: 1, isBeginning: true }
  return { bounds: bounds.map((bound) => ({ ...bound, key })), areGuesses, from: { ...from } }
}

/** The place of the text, before its array. */
interface ArrayBeginning extends JsonPlace {
  readonly isBeginning: true
}

const placeFrom = (json: Json): JsonPlace => ({
  format: fieldIn(json, 'format') === 'array' ? 'array' : 'lines',
  byte: countIn(json, 'byte'),
  record: countIn(json, 'record'),
  line: countIn(json, 'line'),
})

async function* readFile<S extends Schema>(task: FileTask, schema: S, options: ResolvedJsonOptions): AsyncGenerator<Batch, void, undefined> {
  if (task.span !== undefined) return yield* readSpan(task, task.span, schema, options)
  const { file: info, context, onRead } = task
  const resume = task.resume === undefined ? undefined : placeFrom(task.resume)
  const text = await openText(info, { ...options.packed, encoding: options.encoding, start: resume?.byte, reuse: true, signal: context.signal, onRead })
  const parser = parserOf(schema, options)
  let file: JsonFile<S> | undefined
  try {
    file = new JsonFile(task, schema, options, text.start, resume, parser)
    file.size = text.size
    const source = faultsLast(text.chunks)
    for await (const chunk of source.chunks) {
      throwIfAborted(context.signal)
      file.push(chunk)
      yield* delivered(file, task)
    }
    if (source.fault !== undefined) {
      file.abandon()
      yield* delivered(file, task)
      throw source.fault
    }
    file.finish()
    yield* delivered(file, task)
  } finally {
    file?.destroy()
    await text.close()
  }
}

const parserOf = (schema: Schema, options: ResolvedJsonOptions): JsonParser => (chooseParser(schema, options).parser === 'columnar' ? columnarParser(options) : referenceParser(options))

/** The records that begin in a part of a file, counted from there unless it is known which they are. */
const readSpan = <S extends Schema>(task: FileTask, span: FileSpan, schema: S, options: ResolvedJsonOptions): AsyncGenerator<Batch, void, undefined> => {
  const { key } = span
  return key === undefined ? readLineSpan(task, span, schema, options) : readArraySpan(task, { ...span, key }, schema, options)
}

async function* readLineSpan<S extends Schema>(task: FileTask, span: FileSpan, schema: S, options: ResolvedJsonOptions): AsyncGenerator<Batch, void, undefined> {
  const resume = task.resume === undefined ? undefined : placeFrom(task.resume)
  const lines = new LinesOfSpan(task, span, resume?.byte)
  let file: JsonFile<S> | undefined
  try {
    for await (const chunk of lines.chunks()) {
      if (file === undefined) {
        span.found(lines.start)
        file = new JsonFile(task, schema, options, lines.start!, resume ?? { format: 'lines', byte: lines.start!, record: 0, line: 1 }, parserOf(schema, options))
      }
      file.push(chunk)
      yield* delivered(file, task)
    }
    if (file === undefined) return span.found(undefined)
    file.finish()
    yield* delivered(file, task)
    span.ended({ ...file.placeAt(lines.end) })
  } finally {
    file?.destroy()
  }
}

async function* readArraySpan<S extends Schema>(task: FileTask, span: FileSpan & { readonly key: string }, schema: S, options: ResolvedJsonOptions): AsyncGenerator<Batch, void, undefined> {
  const { file: info, context: { signal }, onRead } = task
  const bytes = { reuse: true, signal, onRead }
  const resume = task.resume === undefined ? undefined : placeFrom(task.resume)
  const start = resume?.byte ?? (await recordEndAt(info, span.start, span.end, span.key, bytes))
  span.found(start)
  if (start === undefined) return
  const isBeginning = task.resume !== undefined && fieldIn(task.resume, 'isBeginning') === true
  const place: JsonPlace | undefined = isBeginning ? undefined : (resume ?? { format: 'array', byte: start, record: 0, line: 1 })
  const file = new JsonFile(task, schema, options, start, place, parserOf(schema, options))
  file.size = info.size
  try {
    for await (const chunk of fileBytes(info, { ...bytes, start, end: span.end })) {
      throwIfAborted(signal)
      file.push(chunk)
      yield* delivered(file, task)
    }
    const { recordEnd } = file
    let end = info.size!
    for await (const { bytes: beyond, isLast } of bytesBeyond(info, recordEnd, span.end, place !== undefined || recordEnd > start, options.records, bytes)) {
      file.push(beyond)
      yield* delivered(file, task)
      if (isLast) end = file.closeArray()
    }
    file.finish()
    yield* delivered(file, task)
    span.ended({ ...file.placeAt(end) })
  } finally {
    file.destroy()
  }
}
