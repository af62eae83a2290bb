import { countIn, field, fieldIn, throwIfAborted, type Batch, type FileInfo, type Json, type Schema, type Stream } from '@millrace/core'
import { byteSpans } from '../reading/byte-spans.js'
import { faultsLast } from '../reading/faults-last.js'
import { LinesOfSpan } from '../reading/line-span.js'
import { encodingOf, openText } from '../reading/open-text.js'
import { plainHead } from '../reading/plain-head.js'
import { readFiles, type FileReader, type FileSpan, type FileSpans, type FileTask } from '../reading/read-files.js'
import { requireForms, type OptionForms } from '../reading/require-forms.js'
import { requireReading } from '../reading/require-reading.js'
import { delivered } from '../reading/text-outcomes.js'
import { sentOptions } from '../workers/sent-options.js'
import { chooseParser, parserOf } from './choose-parser.js'
import { columnName, namedColumns, requireWidth } from './csv-columns.js'
import { CsvFile, isBlankLine, type CsvPlace } from './csv-file.js'
import { csvPlanOptions, csvRules, requireMapped, resolveCsvOptions, type CsvOptions, type ResolvedCsvOptions } from './csv-options.js'
import type { CsvParser } from './csv-parser.js'
import { CsvSplitter } from './csv-splitter.js'
import { skipLines } from './skip-lines.js'

/**
 * Reads delimited text: a path, a URL, a folder, a glob, or several, packed or not (gzip, brotli, zstd, zlib), in any encoding.
 *
 * Columns are found by their names in each file's header; further columns are left alone, and a nullable column that a file lacks is null
 * there if another of the files has it. Folders `key=value` give columns too. Fields go into the columns as texts
 * and are checked by the column's kind. A record with another number of fields than the header, a field that does not fit its
 * column, a stray quote or text that is not UTF-8 is a bad record (see `onBadRecord`). Lines with nothing on them are left out
 * when there is more than one column. With `onBadRecord: 'fail'`, columns that nobody looks at are not converted, so they are
 * not checked either.
 *
 * Positions are byte offsets: resuming reads a plain UTF-8 file from there; other files are inflated and decoded up to there.
 *
 * Without a schema, every column of the headers is `utf8`; one that the header has no name for is called by its index, `column_2` the third, and so it may be in a
 * schema. The stream knows its columns when it is read (of several files, all
 * headers are read first) or asked: `await stream.findSchema()`; `csvSchema` gives a schema to start from.
 *
 * @throws (while reading) `NotFound`, `Schema` for columns that are not in the header, `BadRecord`, `Corrupt` for an unclosed
 * quote, `Limit`
 * @see https://www.rfc-editor.org/rfc/rfc4180
 */
export function readCsv<S extends Schema>(source: string | readonly string[], options: CsvOptions<S> & { readonly schema: S }): Stream<S, 'cold'>
export function readCsv(source: string | readonly string[], options?: CsvOptions & { readonly schema?: undefined }): Stream<Schema, 'cold'>
export function readCsv(source: string | readonly string[], options: CsvOptions & { readonly schema?: Schema | undefined } = {}): Stream<Schema, 'cold'> {
  return readFiles(csvFiles(source, options))
}

const CSV_FORMS: OptionForms = {
  quote: 'a text, or null', escape: 'a text, or null', recordDelimiter: 'a text or a list of texts', header: 'true, false, or a list of names', columns: 'an object of names and indices',
  nullTokens: 'a list of texts',
}

/** How files of delimited text are read. */
export const csvFiles = (source: string | readonly string[], options: CsvOptions & { readonly schema?: Schema | undefined }): FileReader<Schema> => {
  requireReading('readCsv', source, options, { options: csvRules, findsSchema: true, words: { finalNewline: ['optional', 'required'] } })
  requireForms('readCsv', options, CSV_FORMS)
  const resolved = resolveCsvOptions(options)
  const { schema } = options
  requireMapped(options)
  return {
    remote: sentOptions(options),
    format: 'csv', rawEncoding: 'utf-8', source, schema, input: options, onBadRecord: options.onBadRecord, options: csvPlanOptions(options, chooseParser(resolved)),
    readFile: (task) => readFile(task, task.schema, resolved),
    spans: (task, splitBytes) => recordSpans(task, splitBytes, resolved),
    schemaOf: async (file, signal) => {
      const names = await columnNames(file, resolved, signal)
      return names.length === 0 ? undefined : Object.fromEntries(names.map((name) => [name, field.utf8()]))
    },
    hasColumn: async (file, name, signal) => {
      const wanted = (Object.hasOwn(resolved.columns, name) ? resolved.columns[name] : undefined) ?? name
      if (wanted === '') return ((await headerOf(file, resolved, signal)) ?? []).includes('')
      return typeof wanted === 'string' && (await columnNames(file, resolved, signal)).includes(wanted)
    },
  }
}

/**
 * The parts of a file; of one that is packed or of another encoding than UTF-8 there are none. Nor where a line end ends no record, and for csv-parse, which
 * tells of a record only once it has seen some of the next.
 */
const recordSpans = async (task: FileTask, splitBytes: number, options: ResolvedCsvOptions): Promise<FileSpans | undefined> => {
  const { recordDelimiter, packed, encoding } = options
  const { file, context: { signal }, resume } = task
  if (chooseParser(options).parser !== 'columnar' || !recordDelimiter.some((end) => end.endsWith('\n'))) return undefined
  const head = await plainHead(file, { packed, encoding, signal })
  if (head === undefined) return undefined
  const { mark } = encodingOf(head, undefined)
  if (resume !== undefined || (mark === 0 && options.skipLines === 0)) return byteSpans(task, splitBytes)
  const from = await beginning(file, options, signal)
  return { ...byteSpans(task, splitBytes, from.byte), from: { ...from } }
}

/** The place of the first record of a file, or of its header: after a byte order mark, and lines that are skipped. */
const beginning = async (file: FileInfo, options: ResolvedCsvOptions, signal: AbortSignal | undefined): Promise<CsvBeginning> => {
  const text = await openText(file, { ...options.packed, encoding: options.encoding, signal })
  try {
    const { start, line } = await skipLines(text, options, file.url)
    return { byte: start, record: 0, line, isBeginning: true }
  } finally {
    await text.close()
  }
}

/** A place that a header may follow. */
interface CsvBeginning extends CsvPlace {
  readonly isBeginning: true
}

/** The names that the columns of a file have without a schema; none of an empty file, unless they were given. */
export const columnNames = async (file: FileInfo, options: ResolvedCsvOptions, signal: AbortSignal | undefined): Promise<readonly string[]> => {
  if (typeof options.header !== 'boolean') return namedColumns(options.header)
  const first = (await readHeader(file, options, signal)) ?? []
  return options.header ? namedColumns(first) : first.map((_, i) => columnName(i))
}

const headerOf = async (file: FileInfo, options: ResolvedCsvOptions, signal: AbortSignal | undefined): Promise<readonly string[] | undefined> =>
  options.header === true ? readHeader(file, options, signal) : options.header === false ? undefined : options.header

/** Names of the columns of a file by its first record; `undefined` when it has none. */
export const readHeader = async (file: FileInfo, options: ResolvedCsvOptions, signal: AbortSignal | undefined): Promise<readonly string[] | undefined> => {
  let header: readonly string[] | undefined
  const text = await openText(file, { ...options.packed, encoding: options.encoding, signal })
  let splitter: CsvSplitter | undefined
  try {
    const { start, line, chunks } = await skipLines(text, options, file.url)
    splitter = new CsvSplitter(options, file.url, start, line, {
      record: (fields, from, to) => {
        if (!isBlankLine(fields, from, to)) header ??= fields
      },
      malformed: () => undefined,
    })
    for await (const chunk of chunks) {
      try {
        await splitter.push(chunk)
      } catch (error) {
        // What is wrong with records after it is told where they are read.
        if (header === undefined) throw error
      }
      if (header !== undefined) break
    }
    if (header === undefined) await splitter.finish()
    if (header !== undefined) requireWidth(header.length, options, file.url)
    return header
  } finally {
    splitter?.destroy()
    await text.close()
  }
}

const placeFrom = (json: Json): CsvPlace => ({ byte: countIn(json, 'byte'), record: countIn(json, 'record'), line: countIn(json, 'line') })

/** Columns that the first record names or counts, for a reading that begins after it. */
const headFor = async ({ file, context }: FileTask, schema: Schema | undefined, options: ResolvedCsvOptions): Promise<readonly string[] | undefined> =>
  options.header === true || (options.header === false && schema === undefined) ? readHeader(file, options, context.signal) : undefined

/** The file from a place on, which is its beginning unless what comes before is known: the first record of the file. */
const fileAt = (task: FileTask, schema: Schema | undefined, options: ResolvedCsvOptions, place: CsvPlace, parser: CsvParser, head: readonly string[] | undefined): CsvFile => {
  const file = new CsvFile(task, schema, options, place, parser)
  if (typeof options.header !== 'boolean') file.begin(options.header, options.header.length)
  else if (head !== undefined) file.begin(options.header ? head : undefined, head.length)
  else if (!options.header && schema !== undefined) file.begin(undefined, 0)
  return file
}

async function* readFile(task: FileTask, schema: Schema | undefined, options: ResolvedCsvOptions): AsyncGenerator<Batch, void, undefined> {
  if (task.span !== undefined) return yield* readSpan(task, task.span, schema, options)
  const { file: info, context, onRead } = task
  const resume = task.resume === undefined ? undefined : placeFrom(task.resume)
  const head = resume && (await headFor(task, schema, options))
  const parser = parserOf(options, info.url)
  const text = await openText(info, { ...options.packed, encoding: options.encoding, start: resume?.byte, reuse: parser.copies, signal: context.signal, onRead })
  let file: CsvFile | undefined
  try {
    const { start, line, chunks } = resume === undefined ? await skipLines(text, options, info.url) : { start: text.start, line: resume.line, chunks: text.chunks }
    file = fileAt(task, schema, options, { byte: start, record: resume?.record ?? 0, line }, parser, head)
    const source = faultsLast(chunks)
    for await (const chunk of source.chunks) {
      throwIfAborted(context.signal)
      await file.push(chunk)
      yield* delivered(file, task)
    }
    if (source.fault !== undefined) {
      file.abandon()
      yield* delivered(file, task)
      throw source.fault
    }
    await file.finish(start === text.start)
    yield* delivered(file, task)
  } finally {
    file?.destroy()
    await text.close()
  }
}

/**
 * The records that begin in a part of a file, counted from there unless it is known which they are. Line ends within quotes are taken for ends of
 * records where a part begins, until it is known better.
 */
async function* readSpan(task: FileTask, span: FileSpan, schema: Schema | undefined, options: ResolvedCsvOptions): AsyncGenerator<Batch, void, undefined> {
  const resume = task.resume === undefined ? undefined : placeFrom(task.resume)
  const isBeginning = resume === undefined ? span.start === 0 : fieldIn(task.resume!, 'isBeginning') === true
  const head = isBeginning ? undefined : await headFor(task, schema, options)
  const parser = parserOf(options, task.file.url)
  const lines = new LinesOfSpan(task, span, resume?.byte)
  let file: CsvFile | undefined
  try {
    for await (const chunk of lines.chunks(() => file!.begun && file!.place.byte === lines.end)) {
      if (file === undefined) {
        span.found(lines.start)
        file = fileAt(task, schema, options, resume ?? { byte: lines.start!, record: 0, line: 1 }, parser, head)
      }
      await file.push(chunk)
      yield* delivered(file, task)
    }
    if (file === undefined) return span.found(undefined)
    await file.finish()
    yield* delivered(file, task)
    span.ended({ ...file.place, byte: lines.end })
  } finally {
    file?.destroy()
  }
}
