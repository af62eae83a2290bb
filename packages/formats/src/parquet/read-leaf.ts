import { failure, type MillraceError } from '@millrace/core'
import type { ColumnMetaData, PageHeader } from 'hyparquet'
import { crc32 } from '../compression/crc32.js'
import type { Stored, StoredSlots } from '../values/index.js'
import type { LeafPath } from './leaf-path.js'
import { valueSink } from './leaf-values.js'
import { beyondDictionary } from './page-faults.js'
import { releasePageKernel } from './page-kernel.js'
import { beginsWithZero, bitWidth, expandRuns } from './page-runs.js'
import { flatSlots, listSlots, spread, ValidityBuilder, type PageSlots } from './page-slots.js'
import { MAX_GROUP_ROWS, MAX_PAGE_BYTES, type ParquetSource } from './parquet-source.js'
import type { FetchedBytes, FileRange } from './fetch-ranges.js'

/** The values of a leaf in some pages that follow one another: a slot for each innermost item, or row where there are no lists. */
export interface Leaf extends StoredSlots {
  /** Levels, where there are lists. */
  readonly levels: { readonly repetition: Uint8Array; readonly definition: Uint8Array; readonly count: number } | undefined
  /** Rows that an index says the pages have, where there is one. */
  readonly firstRow: number | undefined
  readonly endRow: number | undefined
}

/** Where pages are, and which rows of the row group they have, where that is known. */
export interface PageRange extends FileRange {
  readonly firstRow?: number | undefined
  readonly endRow?: number | undefined
}

/** Pages are decoded together until their values take so many bytes: buffers that are small and soon free again cost much less than large ones. */
const RUN_BYTES = 256 * 1024

/** What is read of a leaf. */
export interface LeafRequest {
  readonly column: ColumnMetaData
  readonly path: LeafPath
  readonly rowGroup: number
  /** How many rows its pages have. */
  readonly rows: number
  /** The ranges that hold its pages, the dictionary first. Default: all of its bytes. */
  readonly ranges?: readonly PageRange[] | undefined
  /** Leaves the values in the dictionary, where all are in it. */
  readonly keepDictionary: boolean
}

interface Page {
  readonly header: PageHeader
  readonly bytes: Uint8Array
  readonly at: number
  readonly count: number
  readonly encoding: string
  readonly firstRow: number | undefined
  readonly endRow: number | undefined
}

const hasIndices = (encoding: string): boolean => encoding === 'RLE_DICTIONARY' || encoding === 'PLAIN_DICTIONARY'

/**
 * Decodes the pages of a leaf, some of them at a time. Whatever pages say of themselves is checked before anything is allocated by it.
 *
 * @throws `Corrupt` for sizes that do not add up; other errors for pages that cannot be decoded
 * @see https://parquet.apache.org/docs/file-format/data-pages/
 */
export class LeafReader {
  private readonly pages: readonly Page[]
  private readonly dictionaryPage: Page | undefined
  private readonly inflater: PageInflater
  private readonly keep: boolean
  private dictionary: Stored | undefined
  private next = 0

  constructor(
    private readonly source: ParquetSource,
    private readonly request: LeafRequest,
    fetched: FetchedBytes,
  ) {
    const { column, path, keepDictionary } = request
    const pages = rangesOf(request).flatMap((range) => readPages(source, request, range, fetched(range)))
    const [first] = pages
    this.dictionaryPage = first?.header.dictionary_page_header === undefined ? undefined : first
    this.pages = this.dictionaryPage === undefined ? pages : pages.slice(1)
    if (this.pages.some(({ header }) => header.dictionary_page_header !== undefined)) throw damaged(source, request, 'a column has two dictionaries', chunkRange(column).start)
    const count = this.pages.reduce((sum, page) => sum + page.count, 0)
    const due = request.ranges === undefined && path.repetition > 0 ? Number(column.num_values) : path.repetition > 0 ? count : request.rows
    if (count !== due || count > MAX_GROUP_ROWS) throw damaged(source, request, `the pages of a column have ${count} values where ${due} are due`, chunkRange(column).start)
    this.keep = keepDictionary && this.dictionaryPage !== undefined && this.pages.every(({ encoding }) => hasIndices(encoding))
    this.inflater = new PageInflater(source, request)
  }

  /** Leaves out pages that have no row after the next `rows`; gives how many rows that were. Pages of lists do not tell. */
  skip(rows: number): number {
    let skipped = 0
    if (this.request.path.repetition > 0) return 0
    for (let page = this.pages[this.next]; page !== undefined && skipped + page.count <= rows; page = this.pages[++this.next]) skipped += page.count
    return skipped
  }

  /** Whether pages are left that have values. */
  get hasMore(): boolean {
    return this.pages.some(({ count }, at) => at >= this.next && count > 0)
  }

  /** The next pages, up to the beginning of a row; `undefined` after the last one. */
  read(): Leaf | undefined {
    if (this.next >= this.pages.length) return undefined
    try {
      const first = this.next
      this.dictionary ??= this.readDictionary()
      let bytes = 0
      do bytes += this.valueBytes(this.pages[this.next++]!)
      while (this.next < this.pages.length && this.goesOn(bytes))
      const run = this.pages.slice(first, this.next)
      const leaf = new LeafDecoder(this.source, this.request, this.inflater, run, bytes, this.dictionary, this.keep).decode()
      return { ...leaf, firstRow: run[0]!.firstRow, endRow: run.at(-1)!.endRow }
    } finally {
      releasePageKernel()
    }
  }

  /** About as many bytes as the values of a page take. */
  private valueBytes({ header, count, encoding }: Page): number {
    const { dictionary, keep } = this
    if (dictionary === undefined || !hasIndices(encoding)) return header.uncompressed_page_size
    return Math.ceil(count * (keep ? Int32Array.BYTES_PER_ELEMENT : entryBytes(dictionary)))
  }

  /** Whether the next page belongs to those before it. */
  private goesOn(bytes: number): boolean {
    const page = this.pages[this.next]!
    if (page.firstRow !== undefined && page.firstRow !== this.pages[this.next - 1]!.endRow) return false
    return bytes < RUN_BYTES || !this.inflater.beginsRow(page)
  }

  private readDictionary(): Stored | undefined {
    const page = this.dictionaryPage
    if (page === undefined) return undefined
    const { element } = this.request.path
    this.inflater.requireIntact(page)
    const bytes = this.inflater.inflate(page.bytes, page.header.uncompressed_page_size)
    if (page.count > bytes.length * 8) throw damaged(this.source, this.request, `a dictionary says that it has ${page.count} values in ${bytes.length} bytes`, page.at)
    const sink = valueSink(element.type!, page.count, element.type_length, bytes.length)
    sink.append('PLAIN', bytes, 0, { slots: page.count, values: page.count, present: undefined })
    return sink.finish()
  }
}

/** Bytes of a dictionary's value, in the mean. */
const entryBytes = (dictionary: Stored): number =>
  dictionary.is === 'bytes' ? dictionary.bytes.length / Math.max(1, dictionary.length) : dictionary.is === 'numbers' ? dictionary.values.BYTES_PER_ELEMENT : 1

/** Inflates pages of a leaf. */
class PageInflater {
  /** Pages that were looked into before their turn. */
  private readonly ahead = new Map<Page, Uint8Array>()

  constructor(
    private readonly source: ParquetSource,
    private readonly request: LeafRequest,
  ) {}

  /** Where the writer put the checksum down: Spark does, most others do not unless they are told to. */
  requireIntact({ header: { crc }, bytes, at }: Page): void {
    if (crc !== undefined && crc32(bytes, 0) !== crc >>> 0) throw damaged(this.source, this.request, 'the checksum of a page does not hold', at)
  }

  /** Gives a view that holds until the next page. */
  inflate(bytes: Uint8Array, length: number): Uint8Array {
    const { codec } = this.request.column
    if (codec === 'UNCOMPRESSED') return bytes
    const inflate = this.source.compressors[codec]
    if (inflate === undefined) throw new Error(`the codec ${codec} is not known`)
    return inflate(bytes, length)
  }

  /** Of version 1, whose levels are packed with the values. */
  page(page: Page): Uint8Array {
    const ahead = this.ahead.get(page)
    this.ahead.delete(page)
    return ahead ?? this.inflate(page.bytes, page.header.uncompressed_page_size)
  }

  /** Whether a row begins with the page: those of lists may begin within one, but for version 2. */
  beginsRow(page: Page): boolean {
    const { repetition } = this.request.path
    if (repetition === 0 || page.header.data_page_header_v2 !== undefined) return true
    this.requireIntact(page)
    const inflated = this.page(page)
    const kept = inflated === page.bytes ? inflated : inflated.slice()
    this.ahead.set(page, kept)
    return beginsWithZero(kept, 4, levelsEnd(kept, 0, repetition), bitWidth(repetition))
  }
}

/** The ranges of a file that a leaf takes. */
export const rangesOf = ({ column, ranges }: LeafRequest): readonly PageRange[] => ranges ?? [chunkRange(column)]

/** The bytes of all pages of a column. */
export const chunkRange = (column: ColumnMetaData): FileRange => {
  const start = Number(column.dictionary_page_offset || column.data_page_offset)
  return { start, end: start + Number(column.total_compressed_size) }
}

const damaged = (source: ParquetSource, { rowGroup, path }: LeafRequest, problem: string, byte: number): MillraceError =>
  failure({
    tag: 'Corrupt', code: 'PARQUET_CORRUPT', problem: `${problem} in row group ${rowGroup}`, remedy: 'Fetch or write the file again.',
    position: { source: source.url, byte, column: path.name },
  })

const readPages = (source: ParquetSource, request: LeafRequest, range: PageRange, bytes: Uint8Array): readonly Page[] => {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 }
  const pages: Page[] = []
  while (reader.offset < bytes.byteLength) {
    const at = range.start + reader.offset
    const header = source.pageHeader(reader)
    const size = header.compressed_page_size
    if (!(size >= 0 && reader.offset + size <= bytes.byteLength)) throw damaged(source, request, `a page says that it has ${size} bytes, which reach beyond its column`, at)
    if (!(header.uncompressed_page_size >= 0 && header.uncompressed_page_size <= MAX_PAGE_BYTES)) {
      throw damaged(source, request, `a page says that it inflates to ${header.uncompressed_page_size} bytes, and at most ${MAX_PAGE_BYTES} are read`, at)
    }
    const said = header.data_page_header ?? header.data_page_header_v2 ?? header.dictionary_page_header
    const count = said?.num_values
    if (said === undefined || count === undefined || !(count >= 0 && count <= MAX_GROUP_ROWS)) throw damaged(source, request, `a page says that it has ${count} values`, at)
    const [firstRow, endRow] = [at === range.start ? range.firstRow : undefined, reader.offset + size === bytes.byteLength ? range.endRow : undefined]
    pages.push({ header, bytes: bytes.subarray(reader.offset, reader.offset + size), at, count, encoding: said.encoding ?? 'unknown', firstRow, endRow })
    reader.offset += size
  }
  return pages
}

class LeafDecoder {
  private readonly repetition: Uint8Array | undefined
  /** Of lists only: other columns have but 0 and 1, which are taken as bits. */
  private readonly definition: Uint8Array | undefined
  private readonly validity: ValidityBuilder
  private readonly count: number
  private seen = 0

  constructor(
    private readonly source: ParquetSource,
    private readonly request: LeafRequest,
    private readonly inflater: PageInflater,
    private readonly pages: readonly Page[],
    /** What the values take, about. */
    private readonly valueBytes: number,
    private readonly dictionary: Stored | undefined,
    private readonly keep: boolean,
  ) {
    const { repetition, definition } = request.path
    this.count = pages.reduce((sum, { count }) => sum + count, 0)
    this.repetition = repetition === 0 ? undefined : new Uint8Array(this.count)
    this.definition = repetition === 0 && definition <= 1 ? undefined : new Uint8Array(this.count)
    this.validity = new ValidityBuilder(this.count)
  }

  decode(): Omit<Leaf, 'firstRow' | 'endRow'> {
    const { dictionary, keep, request: { path: { element } } } = this
    const sink = valueSink(element.type!, keep ? 0 : this.count, element.type_length, keep ? 0 : this.valueBytes)
    const kept = keep ? new Int32Array(this.count) : undefined
    let indices = new Int32Array(0)
    let held = 0
    for (const page of this.pages) {
      const { bytes, at, slots } = this.openPage(page)
      this.validity.add(slots)
      if (hasIndices(page.encoding)) {
        if (dictionary === undefined) throw damaged(this.source, this.request, 'a page refers to a dictionary, and there is none', page.at)
        if (kept === undefined && indices.length < slots.values) indices = new Int32Array(slots.values)
        const out = kept ?? indices
        if (slots.values > 0) expandRuns(bytes, at + 1, bytes.length, bytes[at]!, out, held, held + slots.values)
        if (kept === undefined) sink.appendFrom(dictionary, indices, slots)
        else {
          requireWithin(kept, held, held + slots.values, dictionary.length)
          spread(kept, held, slots)
          held += slots.slots
        }
      } else sink.append(page.encoding, bytes, at, slots)
    }
    const stored = dictionary !== undefined && keep ? dictionary : sink.finish()
    const { repetition, definition, count } = this
    return {
      slots: keep ? held : stored.length, stored, validity: this.validity.finish(), indices: kept?.subarray(0, held),
      levels: repetition === undefined || definition === undefined ? undefined : { repetition, definition, count },
    }
  }

  /** Inflates a page and reads its levels; gives where its values begin. */
  private openPage(opened: Page): { readonly bytes: Uint8Array; readonly at: number; readonly slots: PageSlots } {
    const { header, bytes, count } = opened
    this.inflater.requireIntact(opened)
    const start = this.seen
    const end = (this.seen += count)
    const second = header.data_page_header_v2
    const { repetition: mostRepetition, definition: mostDefinition } = this.request.path
    if (second === undefined) {
      const page = this.inflater.page(opened)
      const middle = levelsEnd(page, 0, mostRepetition)
      const at = levelsEnd(page, middle, mostDefinition)
      return { bytes: page, at, slots: this.slots(page, 4, middle, middle + 4, at, start, end) }
    }
    const { repetition_levels_byte_length: repetition, definition_levels_byte_length: definition } = second
    const total = repetition + definition
    if (!(repetition >= 0 && definition >= 0 && total <= bytes.length)) throw new Error('the levels of a page reach beyond it')
    const slots = this.slots(bytes, 0, repetition, repetition, total, start, end)
    const rest = bytes.subarray(total)
    const page = second.is_compressed === false || rest.length === 0 ? rest : this.inflater.inflate(rest, header.uncompressed_page_size - total)
    return { bytes: page, at: 0, slots }
  }

  /** The slots of values `start` to `end`, by the levels of their page, which stand where it is said. */
  private slots(page: Uint8Array, repetitionAt: number, repetitionEnd: number, definitionAt: number, definitionEnd: number, start: number, end: number): PageSlots {
    const { repetition, definition, request: { path } } = this
    if (repetition !== undefined) expandRuns(page, repetitionAt, repetitionEnd, bitWidth(path.repetition), repetition, start, end)
    if (definition !== undefined) {
      expandRuns(page, definitionAt, definitionEnd, bitWidth(path.definition), definition, start, end)
      return listSlots(definition, start, end, path.lists.at(-1)?.item ?? 0, path.definition)
    }
    return path.definition === 0 ? { slots: end - start, values: end - start, present: undefined } : flatSlots(page, definitionAt, definitionEnd, end - start)
  }
}

/** Levels of version 1 stand in the page, each with its length before it; gives the offset after them. */
const levelsEnd = (page: Uint8Array, at: number, most: number): number => {
  if (most === 0) return at
  const length = at + 4 > page.length ? page.length : new DataView(page.buffer, page.byteOffset, page.byteLength).getUint32(at, true)
  const end = at + 4 + length
  if (end > page.length) throw new Error('the levels of a page reach beyond it')
  return end
}

const requireWithin = (indices: Int32Array, start: number, end: number, length: number): void => {
  for (let i = start; i < end; i++) if (indices[i]! >>> 0 >= length) throw beyondDictionary(indices[i]!, length)
}
