import { readInto, type ParquetSource } from './parquet-source.js'

/** Bytes of a file, from `start`. */
export interface FileRange {
  readonly start: number
  readonly end: number
}

/** The bytes of a range that was fetched; a view that holds until they are released. */
export type FetchedBytes = (range: FileRange) => Uint8Array

/** Ranges with no more than this between them are fetched with it: a request costs more. */
const MAX_GAP = 64 * 1024
/** Bytes of one request, but for a range that has more. */
const MAX_REQUEST = 16 * 1024 * 1024
/** Buffers are used again: fresh memory costs more than what is read into it. Larger ones are left to the collector of garbage, until which they are used again, too. */
const LARGEST_KEPT = 16 * 1024 * 1024
const MOST_KEPT = 2
/** Sizes of buffers are multiples of this. */
const BLOCK = 1024 * 1024

const idle: Uint8Array[] = []
/** What the last row group was in that is larger: the next one would be beside it in memory. */
let large: WeakRef<Uint8Array> | undefined

const takeLarge = (size: number): Uint8Array | undefined => {
  const last = large?.deref()
  if (last === undefined || last.length < size) return undefined
  large = undefined
  return last
}

const takeBuffer = (size: number): Uint8Array => {
  if (size > LARGEST_KEPT) return takeLarge(size) ?? freshBuffer(size)
  const at = idle.findIndex((buffer) => buffer.length >= size)
  return at >= 0 ? idle.splice(at, 1)[0]! : freshBuffer(size)
}

const freshBuffer = (size: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(Math.ceil(size / BLOCK) * BLOCK).buffer)

const giveBuffer = (buffer: Uint8Array): void => {
  if (buffer.length > LARGEST_KEPT) {
    large = new WeakRef(buffer)
    return
  }
  idle.push(buffer)
  if (idle.length > MOST_KEPT) idle.splice(idle.findIndex((one) => one.length === Math.min(...idle.map(({ length }) => length))), 1)
}

/** The requests that fetch ranges: what lies close together is one. */
export const requestsFor = (ranges: readonly FileRange[]): readonly FileRange[] => {
  const requests: { start: number; end: number }[] = []
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = requests.at(-1)
    if (last !== undefined && start - last.end <= MAX_GAP && Math.max(end, last.end) - last.start <= MAX_REQUEST) last.end = Math.max(last.end, end)
    else requests.push({ start, end })
  }
  return requests
}

/** Ranges that were fetched. */
export interface Fetched {
  readonly bytes: FetchedBytes
  /** Gives their memory back: what `bytes` gave is gone. */
  release(): void
}

/**
 * Fetches ranges of a file with few requests.
 *
 * @throws `Corrupt` when the file ends before them, and what the storage throws
 */
export const fetchRanges = async (source: ParquetSource, ranges: readonly FileRange[]): Promise<Fetched> => {
  const requests = requestsFor(ranges)
  const starts: number[] = []
  let size = 0
  for (const { start, end } of requests) {
    starts.push(size)
    size += end - start
  }
  const buffer = takeBuffer(size)
  const release = (): void => giveBuffer(buffer)
  try {
    for (const [i, { start, end }] of requests.entries()) await readInto(source.url, start, buffer.subarray(starts[i]!, starts[i]! + end - start), source)
  } catch (error) {
    release()
    throw error
  }
  const bytes = ({ start, end }: FileRange): Uint8Array => {
    const i = requests.findIndex((request) => request.start <= start && end <= request.end)
    const at = starts[i]! + start - requests[i]!.start
    return buffer.subarray(at, at + end - start)
  }
  return { bytes, release }
}

/** Fetches ranges of a file, and hands their bytes to `use`, after which they are gone. See {@link fetchRanges}. */
export const withRanges = async <A>(source: ParquetSource, ranges: readonly FileRange[], use: (bytes: FetchedBytes) => A): Promise<A> => {
  const { bytes, release } = await fetchRanges(source, ranges)
  try {
    return use(bytes)
  } finally {
    release()
  }
}

/** Items in the order of the file, as many together as are fetched at once. */
export const inPortions = <T>(items: readonly T[], rangesOf: (item: T) => readonly FileRange[]): readonly (readonly T[])[] => {
  const portions: T[][] = []
  let size = 0
  const startOf = (item: T): number => rangesOf(item)[0]?.start ?? 0
  for (const item of [...items].sort((a, b) => startOf(a) - startOf(b))) {
    const bytes = rangesOf(item).reduce((sum, { start, end }) => sum + end - start, 0)
    if (portions.length === 0 || size + bytes > MAX_REQUEST) {
      portions.push([])
      size = 0
    }
    portions.at(-1)!.push(item)
    size += bytes
  }
  return portions
}
