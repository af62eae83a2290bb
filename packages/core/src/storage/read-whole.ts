import { describeValue, failure, hasTag, requireOptions, type OptionRules } from '../errors/index.js'
import { readBytes, storageFor } from './registry.js'

/** Whole files read into memory at once: models, indices, small tables. What is larger is no such file. */
const DEFAULT_LIMIT_BYTES = 2 ** 31

/** Options of {@link readWhole}. */
export interface ReadWholeOptions {
  /** Largest file that is read. Default 2 GiB. */
  readonly limitBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const rules: OptionRules<ReadWholeOptions> = { limitBytes: 'any', signal: 'any' }

/** All bytes of a small file. @throws `Limit` for one larger than the limit, before reading it where its size is known */
export const readWhole = async (url: string, options: ReadWholeOptions = {}): Promise<Uint8Array> => {
  requireOptions('readWhole', options, rules)
  const { limitBytes = DEFAULT_LIMIT_BYTES, signal } = options
  if (!(limitBytes >= 0)) throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `limitBytes of readWhole is ${describeValue(limitBytes)}`, remedy: 'Give a number of bytes.' })
  const tooLarge = (size: number): Error =>
    failure({ tag: 'Limit', code: 'FILE_TOO_LARGE', problem: `the file has ${size} bytes or more, and at most ${limitBytes} are read at once`, remedy: 'Raise limitBytes if the file is meant to be so large.', position: { source: url } })
  const { size } = await storageFor(url).stat(url, signal)
  if (size !== undefined && size > limitBytes) throw tooLarge(size)
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of readBytes(url, { signal })) {
    total += chunk.length
    if (total > limitBytes) throw tooLarge(total)
    chunks.push(chunk)
  }
  if (chunks.length === 1) return chunks[0]!
  const whole = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** A manifest of a million files has 100 MB. */
const MARKER_LIMIT_BYTES = 2 ** 28

/**
 * All bytes of a file that says something of others, as manifests do; `undefined` where it is not there.
 *
 * @param options - `limitBytes` is 256 MiB by default
 * @throws `Limit` as {@link readWhole}
 */
export const readIfThere = async (url: string, options: ReadWholeOptions = {}): Promise<Uint8Array | undefined> => {
  try {
    return await readWhole(url, { limitBytes: MARKER_LIMIT_BYTES, ...options })
  } catch (error) {
    if (hasTag(error, 'NotFound')) return undefined
    throw error
  }
}
