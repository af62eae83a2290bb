import { bitmapBytes, failure, setBit, type MillraceError } from '@millrace/core'
import type { ColumnMetaData, PageHeader } from 'hyparquet'
import type { Stored, StoredSlots } from '../values/index.js'
import type { LeafPath } from './leaf-path.js'
import { valueSink } from './leaf-values.js'
import { bitWidth, expandRuns } from './page-runs.js'
import { loadPageHeader, MAX_GROUP_ROWS, MAX_PAGE_BYTES, type ParquetSource } from './parquet-source.js'

/** The values of a leaf in one row group, or in some pages of it: a slot for each innermost item, or row where there are no lists. */
export interface Leaf extends StoredSlots {
  /** Levels, where there are lists. */
  readonly levels: { readonly repetition: Uint8Array; readonly definition: Uint8Array; readonly count: number } | undefined
}

/** Bytes of a file, from `start`. */
export interface FileRange {
  readonly start: number
  readonly end: number
}

/** What is read of a leaf. */
export interface LeafRequest {
  readonly column: ColumnMetaData
  readonly path: LeafPath
  readonly rowGroup: number
  readonly rows: number
  /** The ranges that hold its pages, the dictionary first. Default: all of its bytes. */
  readonly ranges?: readonly FileRange[] | undefined
  /** Leaves the values in the dictionary, where all are in it. */
  readonly keepDictionary: boolean
}

interface Page {
  readonly header: PageHeader
  readonly bytes: Uint8Array
  readonly at: number
  readonly count: number
  readonly encoding: string
}

const hasIndices = (encoding: string): boolean => encoding === 'RLE_DICTIONARY' || encoding === 'PLAIN_DICTIONARY'

/**
 * Reads the pages of a leaf and decodes them. Whatever pages say of themselves is checked before anything is allocated by it.
 *
 * @throws `Corrupt` for sizes that do not add up; other errors for pages that cannot be decoded
 * @see https://parquet.apache.org/docs/file-format/data-pages/
 */
export const readLeaf = async (source: ParquetSource, request: LeafRequest): Promise<Leaf> => {
  const { column, path } = request
  const pages: Page[] = []
  for (const range of request.ranges ?? [chunkRange(column)]) pages.push(...(await readPages(source, request, range)))
  const [first] = pages
  const dictionaryPage = first?.header.dictionary_page_header === undefined ? undefined : first
  const data = dictionaryPage === undefined ? pages : pages.slice(1)
  if (data.some(({ header }) => header.dictionary_page_header !== undefined)) throw damaged(source, request, 'a column has two dictionaries', chunkRange(column).start)
  const count = data.reduce((sum, page) => sum + page.count, 0)
  const due = request.ranges === undefined ? (path.repetition === 0 ? request.rows : Number(column.num_values)) : count
  if (count !== due || count > MAX_GROUP_ROWS) throw damaged(source, request, `the pages of a column have ${count} values where ${due} are due`, chunkRange(column).start)
  return new LeafDecoder(source, request, count, dictionaryPage, data).decode()
}

/** The bytes of all pages of a column. */
export const chunkRange = (column: ColumnMetaData): FileRange => {
  const start = Number(column.dictionary_page_offset || column.data_page_offset)
  return { start, end: start + Number(column.total_compressed_size) }
}

const damaged = (source: ParquetSource, { rowGroup, path }: LeafRequest, problem: string, byte: number): MillraceError =>
  failure({
    tag: 'Corrupt', code: 'PARQUET_CORRUPT', problem: `${problem} in row group ${rowGroup}`, remedy: 'Fetch or write the file again.',
    position: { source: source.url, byte, column: path.path[0] },
  })

const readPages = async (source: ParquetSource, request: LeafRequest, range: FileRange): Promise<readonly Page[]> => {
  const parquetHeader = await loadPageHeader()
  const bytes = await source.file.slice(range.start, range.end)
  const reader = { view: new DataView(bytes as ArrayBuffer), offset: 0 }
  const pages: Page[] = []
  while (reader.offset < bytes.byteLength) {
    const at = range.start + reader.offset
    const header = parquetHeader(reader)
    const size = header.compressed_page_size
    if (!(size >= 0 && reader.offset + size <= bytes.byteLength)) throw damaged(source, request, `a page says that it has ${size} bytes, which reach beyond its column`, at)
    if (!(header.uncompressed_page_size >= 0 && header.uncompressed_page_size <= MAX_PAGE_BYTES)) {
      throw damaged(source, request, `a page says that it inflates to ${header.uncompressed_page_size} bytes, and at most ${MAX_PAGE_BYTES} are read`, at)
    }
    const said = header.data_page_header ?? header.data_page_header_v2 ?? header.dictionary_page_header
    const count = said?.num_values
    if (said === undefined || count === undefined || !(count >= 0 && count <= MAX_GROUP_ROWS)) throw damaged(source, request, `a page says that it has ${count} values`, at)
    pages.push({ header, bytes: new Uint8Array(bytes as ArrayBuffer, reader.offset, size), at, count, encoding: said.encoding ?? 'unknown' })
    reader.offset += size
  }
  return pages
}

class LeafDecoder {
  private readonly repetition: Uint8Array | undefined
  private readonly definition: Uint8Array | undefined
  private seen = 0

  constructor(
    private readonly source: ParquetSource,
    private readonly request: LeafRequest,
    private readonly count: number,
    private readonly dictionaryPage: Page | undefined,
    private readonly pages: readonly Page[],
  ) {
    const { repetition, definition } = request.path
    this.repetition = repetition === 0 ? undefined : new Uint8Array(count)
    this.definition = definition === 0 ? undefined : new Uint8Array(count)
  }

  decode(): Leaf {
    const { path, keepDictionary } = this.request
    const { element } = path
    const dictionary = this.dictionary()
    const keep = keepDictionary && dictionary !== undefined && this.pages.every(({ encoding }) => hasIndices(encoding))
    const room = keep ? 0 : this.pages.reduce((sum, { header }) => sum + header.uncompressed_page_size, 0)
    const sink = valueSink(element.type!, keep ? 0 : this.count, element.type_length, room)
    const kept = keep ? new Int32Array(this.count) : undefined
    let indices = new Int32Array(0)
    let held = 0
    for (const page of this.pages) {
      const { bytes, values, at } = this.openPage(page)
      if (hasIndices(page.encoding)) {
        if (dictionary === undefined) throw damaged(this.source, this.request, 'a page refers to a dictionary, and there is none', page.at)
        if (indices.length < values) indices = new Int32Array(values)
        if (values > 0) expandRuns(bytes, at + 1, bytes.length, bytes[at]!, indices, 0, values)
        if (kept === undefined) sink.appendFrom(dictionary, indices, values)
        else for (let i = 0; i < values; i++) {
          if (indices[i]! >>> 0 >= dictionary.length) throw new Error(`a page refers to value ${indices[i]} of a dictionary of ${dictionary.length}`)
          kept[held++] = indices[i]!
        }
      } else sink.append(page.encoding, bytes, at, values)
    }
    return this.finish(kept, (slots, present) => (keep ? dictionary : sink.finish(slots, present)))
  }

  private dictionary(): Stored | undefined {
    const page = this.dictionaryPage
    if (page === undefined) return undefined
    const { element } = this.request.path
    const bytes = this.inflate(page.bytes, page.header.uncompressed_page_size)
    if (page.count > bytes.length * 8) throw damaged(this.source, this.request, `a dictionary says that it has ${page.count} values in ${bytes.length} bytes`, page.at)
    const sink = valueSink(element.type!, page.count, element.type_length, bytes.length)
    sink.append('PLAIN', bytes, 0, page.count)
    return sink.finish(page.count, undefined)
  }

  private inflate(bytes: Uint8Array, length: number): Uint8Array {
    const { codec } = this.request.column
    if (codec === 'UNCOMPRESSED') return bytes
    const inflate = this.source.compressors[codec]
    if (inflate === undefined) throw new Error(`the codec ${codec} is not known`)
    return inflate(bytes, length)
  }

  /** Inflates a page and expands its levels; gives where its values begin, and how many there are. */
  private openPage({ header, bytes, count }: Page): { readonly bytes: Uint8Array; readonly at: number; readonly values: number } {
    const start = this.seen
    const end = (this.seen += count)
    const second = header.data_page_header_v2
    if (second === undefined) {
      const page = this.inflate(bytes, header.uncompressed_page_size)
      let at = this.levels(page, 0, this.repetition, this.request.path.repetition, start, end)
      at = this.levels(page, at, this.definition, this.request.path.definition, start, end)
      return { bytes: page, at, values: this.values(start, end) }
    }
    const { repetition_levels_byte_length: repetition, definition_levels_byte_length: definition } = second
    const total = repetition + definition
    if (!(repetition >= 0 && definition >= 0 && total <= bytes.length)) throw new Error('the levels of a page reach beyond it')
    if (this.repetition !== undefined) expandRuns(bytes, 0, repetition, bitWidth(this.request.path.repetition), this.repetition, start, end)
    if (this.definition !== undefined) expandRuns(bytes, repetition, total, bitWidth(this.request.path.definition), this.definition, start, end)
    const rest = bytes.subarray(total)
    const page = second.is_compressed === false || rest.length === 0 ? rest : this.inflate(rest, header.uncompressed_page_size - total)
    return { bytes: page, at: 0, values: this.values(start, end) }
  }

  /** Levels of version 1 stand in the page, each with its length before it; gives the offset after them. */
  private levels(page: Uint8Array, at: number, out: Uint8Array | undefined, most: number, start: number, end: number): number {
    if (out === undefined) return at
    const length = at + 4 > page.length ? page.length : new DataView(page.buffer, page.byteOffset, page.byteLength).getUint32(at, true)
    const stop = at + 4 + length
    if (stop > page.length) throw new Error('the levels of a page reach beyond it')
    expandRuns(page, at + 4, stop, bitWidth(most), out, start, end)
    return stop
  }

  private values(start: number, end: number): number {
    const { definition, request: { path } } = this
    if (definition === undefined) return end - start
    let values = 0
    for (let i = start; i < end; i++) {
      const level = definition[i]!
      if (level === path.definition) values++
      else if (level > path.definition) throw new Error(`a page has the level ${level}, and ${path.definition} is the highest`)
    }
    return values
  }

  private finish(kept: Int32Array | undefined, stored: (slots: number, present: Uint8Array | undefined) => Stored): Leaf {
    const { path } = this.request
    const { definition, count, repetition } = this
    if (definition === undefined) return { slots: count, stored: stored(count, undefined), validity: undefined, indices: kept, levels: undefined }
    const least = path.lists.at(-1)?.item ?? 0
    const present = new Uint8Array(count)
    let slots = 0
    let nulls = 0
    for (let i = 0; i < count; i++) {
      const level = definition[i]!
      if (level < least) continue
      if (level === path.definition) present[slots++] = 1
      else {
        slots++
        nulls++
      }
    }
    const shown = nulls === 0 ? undefined : present.subarray(0, slots)
    if (kept !== undefined && shown !== undefined) {
      let from = slots - nulls
      for (let slot = slots - 1; slot >= 0; slot--) kept[slot] = shown[slot] === 1 ? kept[--from]! : 0
    }
    return {
      slots, stored: stored(slots, shown), validity: shown === undefined ? undefined : toBitmap(shown), indices: kept?.subarray(0, slots),
      levels: repetition === undefined ? undefined : { repetition, definition, count },
    }
  }
}

const toBitmap = (present: Uint8Array): Uint8Array => {
  const bits = new Uint8Array(bitmapBytes(present.length))
  for (let slot = 0; slot < present.length; slot++) if (present[slot] === 1) setBit(bits, slot)
  return bits
}
