import { decodeText } from '../../columns/index.js'
import { failure, shownUrl, throwIfAborted, type MillraceError } from '../../errors/index.js'
import { job, type Job } from '../../job/index.js'
import { readBytes } from '../../storage/index.js'

/** Where pretrained vectors come from: {@link WordVectors}, or a `Map` of arrays. */
export interface VectorSource {
  /** The token's vector, `undefined` where there is none. */
  get(token: string): ArrayLike<number> | undefined
}

/** Pretrained vectors in memory: one float32 row a token. */
export interface WordVectors extends VectorSource {
  /** Numbers in a vector. */
  readonly dimension: number
  /** Tokens in the order of the file; the vector of token `i` is `values[i × dimension .. (i + 1) × dimension]`. */
  readonly tokens: readonly string[]
  readonly values: Float32Array
  /** A view into `values`. */
  get(token: string): Float32Array | undefined
}

/** Options of {@link readWordVectors}. */
export interface WordVectorsOptions {
  /** Numbers in a vector. Default: that of the header (word2vec), or of the first line (GloVe). */
  readonly dimension?: number | undefined
  /** Keeps the vectors of these tokens only; the others are not parsed. Default: all. */
  readonly only?: Iterable<string> | undefined
}

/** Longest line: 16,384 numbers of 32 characters, and the token. */
const MAX_LINE_BYTES = 1 << 20
/** Longest vector; the widest published ones have 4,096 numbers. */
const MAX_DIMENSION = 16_384
/** Most numbers kept: 2 GiB of float32. */
const MAX_VALUES = 2 ** 29

const SPACE = 32
const TAB = 9
const RETURN = 13
const NEWLINE = 10
const numberText = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const countText = /^\d+$/

const isBlank = (byte: number): boolean => byte === SPACE || byte === TAB || byte === RETURN

/** Collects the vectors of one file line by line. */
class VectorReader {
  readonly tokens: string[] = []
  readonly rows = new Map<string, number>()
  values = new Float32Array(0)
  dimension: number | undefined
  private line = 0

  constructor(
    private readonly url: string,
    private readonly given: number | undefined,
    private readonly only: ReadonlySet<string> | undefined,
  ) {}

  private bad(code: string, problem: string, remedy: string): MillraceError {
    return failure({ tag: 'BadRecord', code, problem, remedy, position: { source: this.url, line: this.line } })
  }

  private setDimension(dimension: number): void {
    if (this.given !== undefined && dimension !== this.given) {
      throw this.bad('WRONG_DIMENSION', `the vectors have ${dimension} numbers, and ${this.given} were asked for`, 'Leave the dimension out, or name another file.')
    }
    if (dimension > MAX_DIMENSION) {
      throw failure({ tag: 'Limit', code: 'TOO_WIDE', problem: `vectors of ${dimension} numbers are longer than ${MAX_DIMENSION}`, position: { source: this.url, line: this.line } })
    }
    this.dimension = dimension
  }

  /** Takes the line `bytes[start..end]`, without its newline. */
  take(bytes: Uint8Array, start: number, end: number): void {
    this.line++
    while (end > start && isBlank(bytes[end - 1]!)) end--
    if (end === start) return
    if (this.dimension === undefined) {
      const fields = decodeText(bytes, start, end).split(/[ \t]+/)
      // word2vec's first line is the number of vectors and their dimension.
      if (this.line === 1 && fields.length === 2 && fields.every((field) => countText.test(field)) && this.given !== 1) return this.setDimension(Number(fields[1]))
      // A token may hold spaces (some of GloVe's do), so a dimension that is given counts from the end of the line.
      this.setDimension(this.given ?? fields.length - 1)
      if (this.dimension === 0) throw this.bad('NO_VECTOR', 'the line holds no numbers', 'Give a text file of GloVe or word2vec: a token and its numbers on each line.')
    }
    this.takeVector(bytes, start, end, this.dimension!)
  }

  private takeVector(bytes: Uint8Array, start: number, end: number, dimension: number): void {
    // From the end back over as many fields as there are numbers; the rest is the token.
    let tokenEnd = end
    for (let fields = 0; fields < dimension; fields++) {
      while (tokenEnd > start && !isBlank(bytes[tokenEnd - 1]!)) tokenEnd--
      if (tokenEnd === start) throw this.bad('TOO_FEW_NUMBERS', `the line has ${fields} numbers after its token, not ${dimension}`, 'The file may be cut short: fetch it again.')
      while (tokenEnd > start && isBlank(bytes[tokenEnd - 1]!)) tokenEnd--
    }
    const token = decodeText(bytes, start, tokenEnd)
    // The first vector of a token counts, as in gensim.
    if ((this.only !== undefined && !this.only.has(token)) || this.rows.has(token)) return
    const texts = decodeText(bytes, tokenEnd, end).trim().split(/[ \t]+/)
    const at = this.reserve(dimension)
    for (let i = 0; i < dimension; i++) {
      const text = texts[i]!
      if (!numberText.test(text)) throw this.bad('BAD_NUMBER', `${JSON.stringify(text.slice(0, 40))} is not a number of a vector`, 'Mend the line, or leave it out.')
      this.values[at + i] = Number(text)
    }
    this.rows.set(token, this.tokens.length)
    this.tokens.push(token)
  }

  private reserve(dimension: number): number {
    const at = this.tokens.length * dimension
    if (at + dimension > MAX_VALUES) {
      throw failure({
        tag: 'Limit', code: 'TOO_MANY_VECTORS', problem: `the vectors take more than ${MAX_VALUES * 4} bytes`,
        remedy: 'Name the tokens that you need: only: inputs.vocabulary(…).', position: { source: this.url, line: this.line },
      })
    }
    if (at + dimension > this.values.length) {
      const grown = new Float32Array(Math.min(MAX_VALUES, Math.max(1024, at + dimension, this.values.length * 2)))
      grown.set(this.values)
      this.values = grown
    }
    return at
  }

  tooLong(): MillraceError {
    this.line++
    return failure({
      tag: 'Limit', code: 'LINE_TOO_LONG', problem: `the line is longer than ${MAX_LINE_BYTES} bytes`,
      remedy: 'Give a text file of GloVe or word2vec; the binary form of word2vec is not read.', position: { source: this.url, line: this.line },
    })
  }
}

/**
 * Reads word vectors in the text form of GloVe (`token number number …`) or word2vec (the same after a line with the count
 * and the dimension). The file streams through: with `only`, no more is kept than what is asked for.
 *
 * Errors name the line: too few numbers, a number that is none, a line beyond 1 MiB.
 *
 * @example
 * const vectors = await run(readWordVectors('glove.6B.50d.txt', { only: inputs.vocabulary('word') }))
 */
export const readWordVectors = (url: string, options: WordVectorsOptions = {}): Job<WordVectors> =>
  job(async ({ signal, progress }) => {
    const { dimension } = options
    if (dimension !== undefined && !(Number.isInteger(dimension) && dimension >= 1 && dimension <= MAX_DIMENSION)) {
      throw failure({ tag: 'Usage', code: 'BAD_DIMENSION', problem: `the dimension must be an integer from 1 to ${MAX_DIMENSION}, not ${dimension}` })
    }
    const reader = new VectorReader(url, dimension, options.only === undefined ? undefined : new Set(options.only))
    let done = 0
    /** The beginning of a line that the next chunk goes on with. */
    let rest = new Uint8Array(0)
    for await (const chunk of readBytes(url, { signal })) {
      throwIfAborted(signal)
      let start = 0
      let newline = chunk.indexOf(NEWLINE)
      if (rest.length + (newline < 0 ? chunk.length : newline) > MAX_LINE_BYTES) throw reader.tooLong()
      if (rest.length > 0 && newline >= 0) {
        const line = joined(rest, chunk.subarray(0, newline))
        reader.take(line, 0, line.length)
        rest = new Uint8Array(0)
        start = newline + 1
        newline = chunk.indexOf(NEWLINE, start)
      }
      for (; newline >= 0; newline = chunk.indexOf(NEWLINE, start)) {
        if (newline - start > MAX_LINE_BYTES) throw reader.tooLong()
        reader.take(chunk, start, newline)
        start = newline + 1
      }
      if (chunk.length - start > MAX_LINE_BYTES) throw reader.tooLong()
      rest = joined(rest, chunk.subarray(start))
      done += chunk.length
      progress?.({ stage: `reading ${shownUrl(url)}`, done, unit: 'bytes' })
    }
    reader.take(rest, 0, rest.length)
    progress?.({ stage: `reading ${shownUrl(url)}`, done, unit: 'bytes', finished: true })
    if (reader.dimension === undefined) throw failure({ tag: 'Corrupt', code: 'NO_VECTOR', problem: 'the file holds no vector', position: { source: url } })
    return wordVectors(reader, reader.dimension)
  })

const wordVectors = ({ tokens, rows, values }: VectorReader, dimension: number): WordVectors => ({
  dimension,
  tokens,
  values: values.subarray(0, tokens.length * dimension),
  get: (token) => {
    const row = rows.get(token)
    return row === undefined ? undefined : values.subarray(row * dimension, (row + 1) * dimension)
  },
})

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
