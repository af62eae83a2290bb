import { ByteTable } from './byte-table.js'

const NEWLINE = 10
const RETURN = 13
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The token of the bytes, `undefined` where they cannot be one. */
const decodeToken = (bytes: Uint8Array): string | undefined => {
  if (bytes.length === 0 || bytes.includes(NEWLINE) || bytes.includes(RETURN)) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Whether a text of JSON could have come from a {@link TokenCounter}: vocabulary files hold no other. */
export const isToken = (text: unknown): boolean => typeof text === 'string' && text !== '' && !/[\n\r]|\p{Surrogate}/u.test(text)

/** Tokens by rank, to be found by their bytes. */
export const tokenTable = (tokens: readonly string[]): ByteTable => {
  const table = new ByteTable()
  for (const token of tokens) {
    const bytes = encoder.encode(token)
    table.add(bytes, 0, bytes.length)
  }
  return table
}

/** Which of the counted texts become tokens. */
export interface TokenChoice {
  /** Default: all. */
  readonly topK?: number
  /** Default 1. */
  readonly minFrequency?: number
  /** Never becomes one. */
  readonly maskToken: string | null
}

/** Counts texts, and ranks the most frequent. */
export class TokenCounter {
  private readonly table = new ByteTable()
  private counts = new Float64Array(512)

  readonly add = (bytes: Uint8Array, start: number, end: number, times: number): void => {
    const entry = this.table.add(bytes, start, end)
    if (entry >= this.counts.length) {
      const grown = new Float64Array(this.counts.length * 2)
      grown.set(this.counts)
      this.counts = grown
    }
    this.counts[entry]! += times
  }

  /** By descending count, ties in reverse order of their bytes, as TensorFlow Transform's `vocabulary`. */
  tokens({ topK = Infinity, minFrequency = 1, maskToken }: TokenChoice): string[] {
    const { table, counts } = this
    const frequent = new Int32Array(table.size)
    let kept = 0
    for (let entry = 0; entry < table.size; entry++) if (counts[entry]! >= minFrequency) frequent[kept++] = entry
    const ordered = frequent.subarray(0, kept).sort((a, b) => counts[b]! - counts[a]! || table.compare(b, a))
    const tokens: string[] = []
    for (let i = 0; i < ordered.length && tokens.length < topK; i++) {
      const token = decodeToken(table.bytesOf(ordered[i]!))
      if (token !== undefined && token !== maskToken) tokens.push(token)
    }
    return tokens
  }
}
