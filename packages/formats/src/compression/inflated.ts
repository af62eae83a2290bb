import { setImmediate } from 'node:timers/promises'
import { failure, fromUnknown, type MillraceError, type OptionRules } from '@millrace/core'
import { guessTextCompression, mayBe, TEXT_MAGIC_BYTES, type TextCompression } from './compression.js'
import { Inflater, InflateFault } from './inflater.js'
import { inflatedByNode } from './node-inflate.js'
import { inflatedOnThread, isWorthThread, takeInflateThread, type InflateThread } from './thread/inflate-thread.js'
import { unzstd } from './unzstd.js'

/**
 * Deflate packs at most 1032 to 1. Sound TFRecords, whose checksums differ from record to record unless the records are equal,
 * stay far below 500; beyond it, and beyond the first 64 MiB, a file is taken for a bomb.
 */
export const MAX_INFLATION = 500
/** Texts repeat themselves more, and deflate's own limit is 1032: only brotli and zstd come beyond. */
export const MAX_TEXT_INFLATION = 2000
const INFLATION_GRACE_BYTES = 64 * 1024 * 1024

/** How far a packed file may grow. */
export interface InflationLimits {
  /** Most bytes that a packed file may grow to, as a multiple of its size, once it has grown beyond 64 MiB. Default 500 for TFRecords, 2,000 for text. */
  readonly maxInflation?: number | undefined
  /** Most bytes that a packed file may grow to. Default: no limit, since no more than a batch of them is held. */
  readonly maxInflatedBytes?: number | undefined
}

export const inflationRules: OptionRules<InflationLimits> = { maxInflation: 'any', maxInflatedBytes: 'any' }

/** What an engine is told and tells. */
interface Progress {
  /** Packed bytes read. */
  read: number
  /** Bytes given. */
  given: number
  /** The first packed bytes. */
  readonly head: number[]
  /** Packed bytes read without zeros at their end. */
  filled: number
}

const words = { gzip: 'gzip', zlib: 'zlib', br: 'brotli', zst: 'zstd' } as const

type Packed = Exclude<TextCompression, 'none'>

/** What has the name of a packed file and is none: some clients unpack what they fetch, and keep the name. */
const otherwise = (kind: Packed, source: string, head: readonly number[]): MillraceError => {
  const found = guessTextCompression(Uint8Array.from(head))
  return failure({
    tag: 'Corrupt', code: 'NOT_PACKED', problem: `the file is not ${words[kind]}, as its name or the option compression says: ${found === undefined ? 'it does not begin so' : `it begins as ${words[found]} does`}`,
    remedy: `Read it with compression: '${found ?? 'none'}'${found === undefined ? ' if it was unpacked on its way, as some downloads are' : ''}.`,
    position: { source, byte: 0 },
  })
}

const damage = (kind: Packed, source: string, { read, given, head }: Progress, cut: boolean, cause: unknown): MillraceError => {
  if (given === 0 && head.length === TEXT_MAGIC_BYTES && !mayBe(kind, Uint8Array.from(head))) return otherwise(kind, source, head)
  const what = `the ${words[kind]} data`
  const readable = given === 0 ? 'none of what it inflates to could be read' : `of what it inflates to, the bytes before ${given} were read`
  return failure({
    tag: 'Corrupt',
    code: cut ? 'COMPRESSED_TRUNCATED' : 'COMPRESSED_CORRUPT',
    problem: cut
      ? `${what} ends too early, at byte ${read} of the file; ${readable}`
      : `${what} is damaged at or before byte ${read} of the file (${cause instanceof Error ? cause.message : String(cause)}); ${readable}`,
    remedy: cut ? 'The file was cut short: copy or write it again.' : 'The file is damaged: copy or write it again.',
    position: { source, byte: given },
    cause,
  })
}

const trailing = (kind: Packed, source: string, end: number, { read, given }: Progress): MillraceError =>
  failure({
    tag: 'Corrupt',
    code: 'COMPRESSED_TRAILING',
    problem: `the ${words[kind]} data ends at byte ${end} of the file, and ${read - end} bytes follow it`,
    remedy: 'The file is damaged: copy or write it again.',
    position: { source, byte: given },
  })

const note = (progress: Progress, chunk: Uint8Array): void => {
  const { head, read } = progress
  if (head.length < TEXT_MAGIC_BYTES) head.push(...chunk.subarray(0, TEXT_MAGIC_BYTES - head.length))
  let filled = chunk.length
  while (filled > 0 && chunk[filled - 1] === 0) filled--
  if (filled > 0) progress.filled = read + filled
  progress.read += chunk.length
}

/** After how many bytes other work of the program has its turn: nothing else here waits for anything but the next chunk. */
const TURN_BYTES = 4 * 1024 * 1024

/** What follows the data has to be nothing, after gzip zeros, with which archives and tapes fill up; gzip itself passes over them. */
const requireEnd = async (packed: AsyncGenerator<Uint8Array, void, undefined>, kind: Packed, source: string, progress: Progress, end: number): Promise<void> => {
  const reached = (): number => (kind === 'gzip' ? progress.filled : progress.read)
  // After the data, so that no more than what should not be there is read.
  for (let isMore = true; isMore && reached() <= end; ) isMore = (await packed.next()).done !== true
  if (reached() > end) throw trailing(kind, source, end, progress)
}

async function* throughKernel(inflater: Inflater, packed: AsyncGenerator<Uint8Array, void, undefined>, kind: 'gzip' | 'zlib', source: string, progress: Progress, reuse: boolean): AsyncGenerator<Uint8Array, void, undefined> {
  let turn = TURN_BYTES
  try {
    while (!inflater.isOver) {
      const chunk = await packed.next()
      if (chunk.done === true) break
      inflater.push(chunk.value)
      for (let piece = inflater.next(); piece !== undefined; piece = inflater.next()) {
        yield reuse ? piece : piece.slice()
        if (progress.given < turn) continue
        await setImmediate()
        turn = progress.given + TURN_BYTES
      }
    }
    if (!inflater.isWhole) throw damage(kind, source, progress, true, undefined)
    await requireEnd(packed, kind, source, progress, inflater.used)
  } catch (error) {
    if (!(error instanceof InflateFault)) throw error
    // By as many it is told what the file is instead.
    for (let isMore = true; isMore && progress.head.length < TEXT_MAGIC_BYTES; ) isMore = (await packed.next()).done !== true
    throw damage(kind, source, progress, false, error)
  } finally {
    inflater.release()
  }
}

async function* throughThread(
  thread: InflateThread, packed: AsyncGenerator<Uint8Array, void, undefined>, kind: 'gzip' | 'zlib', source: string, progress: Progress, reuse: boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  const end = yield* inflatedOnThread(thread, packed, { kind, reuse, fault: (error) => damage(kind, source, progress, error === undefined, error) })
  await requireEnd(packed, kind, source, progress, end)
}

async function* throughZlib(packed: AsyncGenerator<Uint8Array, void, undefined>, kind: 'gzip' | 'zlib' | 'br', source: string, progress: Progress): AsyncGenerator<Uint8Array, void, undefined> {
  const end = yield* inflatedByNode(packed, kind, (error, isCut) => damage(kind, source, progress, isCut, error))
  await requireEnd(packed, kind, source, progress, end)
}

async function* throughZstd(packed: AsyncIterable<Uint8Array>, source: string, progress: Progress): AsyncGenerator<Uint8Array, void, undefined> {
  yield* unzstd(packed, (problem, cut) => damage('zst', source, progress, cut, problem))
}

/** Options of {@link inflated}. */
export interface InflateOptions extends InflationLimits {
  /** Whether a chunk is good only until the next one is asked for. Default false. */
  readonly reuse?: boolean | undefined
  /** Whether gzip and zlib are inflated by Node, as they are where there is no WebAssembly. Default false. */
  readonly byNode?: boolean | undefined
  /** Size of the file, where it is known. */
  readonly packedBytes?: number | undefined
  /** Whether a thread of its own inflates, where there is one. Default: for files of 8 MiB and more while a core is free. */
  readonly onThread?: boolean | undefined
}

async function* pieces(packed: AsyncGenerator<Uint8Array, void, undefined>, kind: Packed, source: string, progress: Progress, options: InflateOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { byNode = false, reuse = false, packedBytes, onThread = isWorthThread(packedBytes) } = options
  if (kind === 'zst') return yield* throughZstd(packed, source, progress)
  if (kind === 'br' || byNode) return yield* throughZlib(packed, kind, source, progress)
  const thread = onThread ? await takeInflateThread() : undefined
  if (thread !== undefined) return yield* throughThread(thread, packed, kind, source, progress, reuse)
  const inflater = Inflater.of(kind)
  yield* inflater === undefined ? throughZlib(packed, kind, source, progress) : throughKernel(inflater, packed, kind, source, progress, reuse)
}

/**
 * Inflates chunks: of gzip several members in a row, of zstd several frames. zlib and brotli are one stream.
 *
 * @throws `Corrupt` for data that is cut short, damaged, or followed by something else; the message names the byte of the
 * file, the position the byte after inflating: what came before it is sound
 * @throws `Limit` INFLATION_LIMIT, INFLATED_TOO_LONG
 * @throws `MissingPeer` for zstd without fzstd
 */
export async function* inflated(
  chunks: AsyncIterable<Uint8Array>,
  kind: Packed,
  source: string,
  options: InflateOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { maxInflation = MAX_INFLATION, maxInflatedBytes = Infinity } = options
  const progress: Progress = { read: 0, given: 0, head: [], filled: 0 }
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of chunks) {
      note(progress, chunk)
      // fzstd may still be at a chunk when it asks for the next.
      yield kind === 'zst' ? chunk.slice() : chunk
    }
  }
  const packed = counted()
  const limit = (code: string, problem: string, remedy: string): MillraceError =>
    failure({ tag: 'Limit', code, problem: `the ${words[kind]} data ${problem}`, remedy, position: { source, byte: progress.given } })
  try {
    for await (const chunk of pieces(packed, kind, source, progress, options)) {
      const given = progress.given + chunk.length
      if (given > maxInflatedBytes) throw limit('INFLATED_TOO_LONG', `grows to more than ${maxInflatedBytes} bytes`, 'Raise maxInflatedBytes if the file is sound.')
      if (given > INFLATION_GRACE_BYTES && given > maxInflation * progress.read) {
        throw limit('INFLATION_LIMIT', `grows to more than ${maxInflation} times its size`, 'Raise maxInflation if the file is sound.')
      }
      progress.given = given
      yield chunk
    }
  } catch (error) {
    throw fromUnknown(error, { source })
  } finally {
    // A pipeline that is cut ends before its source is closed.
    await packed.return()
  }
}
