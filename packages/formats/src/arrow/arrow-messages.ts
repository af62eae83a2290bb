import { failure, fromUnknown, isMillraceError, readBytes, type ErrorDetails, type FileInfo, type MillraceError } from '@millrace/core'
import { fileBytes } from '../reading/file-bytes.js'
import { FlatTable } from './flat-table.js'

/** Metadata of one message, or a footer: a schema of many thousand columns has some megabytes. */
const MAX_METADATA_BYTES = 256 * 1024 * 1024
const FILE_MAGIC = 'ARROW1'
/** The length of the footer, and the magic. */
const TAIL_BYTES = 10
const CONTINUATION = 0xffffffff

/**
 * Bodies of record batches from this size on are read into one memory. Each layer of generators between here and the caller holds on to a value that it
 * passed on, sometimes to one of long ago: columns over bodies of their own would keep a large body alive for each.
 */
export const LARGE_BYTES = 8 * 1024 * 1024

/** Kinds of messages, by their numbers in the union `MessageHeader`. */
const kinds = ['none', 'schema', 'dictionary', 'batch'] as const

/** A message of a stream: what it says, and the bytes that it says it of. */
export interface ArrowMessage {
  readonly kind: (typeof kinds)[number] | 'other'
  readonly header: FlatTable
  /** Memory of its own, from an address that holds numbers of any width. */
  readonly body: Uint8Array
  /** Whether the memory of the body is that of the next large one, too: what is to be kept of it has to be copied. */
  readonly isLent: boolean
  /** Offset of the message in the file. */
  readonly byte: number
}

/** An error of a damaged file. */
export const arrowError = (error: unknown, url: string, problem: string, position: ErrorDetails['position'] = {}): MillraceError =>
  isMillraceError(error)
    ? error.position.source === undefined ? error.at({ source: url, ...position }) : error
    : error instanceof Error && 'syscall' in error
      ? fromUnknown(error, { source: url })
      : failure({ tag: 'Corrupt', code: 'ARROW_CORRUPT', problem: `${problem}: ${(error as Error).message}`, remedy: 'Fetch or write the file again.', position: { source: url, ...position }, cause: error })

/** Takes bytes off the front of a file, as many as are asked for. */
class FileReader {
  /** Offset of the next byte. */
  at = 0
  private readonly chunks: AsyncGenerator<Uint8Array, void, undefined>
  private chunk = new Uint8Array(0) as Uint8Array
  private chunkAt = 0
  private lent = new Uint8Array(0)

  constructor(
    private readonly file: FileInfo,
    options: { readonly signal: AbortSignal | undefined; readonly onRead: (bytes: number) => void },
  ) {
    this.chunks = fileBytes(file, { reuse: true, ...options })
  }

  /**
   * The next `count` bytes, or fewer where the file ends, in memory of their own, or that is lent until the next that are. Nothing is allocated for bytes
   * that are not there.
   */
  async take(count: number, isLent = false): Promise<Uint8Array> {
    const { size } = this.file
    const parts: Uint8Array[] = []
    // Where the size of the file is known, it says how much there can be.
    const whole = size === undefined ? undefined : this.memory(Math.max(0, Math.min(count, size - this.at)), isLent)
    let had = 0
    while (had < count && (await this.fill())) {
      const part = this.chunk.subarray(this.chunkAt, this.chunkAt + count - had)
      if (whole === undefined) parts.push(part.slice())
      else {
        if (had + part.length > whole.length) break
        whole.set(part, had)
      }
      had += part.length
      this.chunkAt += part.length
      this.at += part.length
    }
    if (whole !== undefined) return whole.subarray(0, had)
    return parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts))
  }

  private memory(bytes: number, isLent: boolean): Uint8Array {
    if (!isLent) return new Uint8Array(bytes)
    if (this.lent.length < bytes) this.lent = new Uint8Array(bytes)
    return this.lent.subarray(0, bytes)
  }

  private async fill(): Promise<boolean> {
    while (this.chunkAt >= this.chunk.length) {
      const next = await this.chunks.next()
      if (next.done === true) return false
      this.chunk = next.value
      this.chunkAt = 0
    }
    return true
  }

  async close(): Promise<void> {
    await this.chunks.return()
  }
}

/** So many bytes, which have to be there. @param what - what they are, for the error */
type Need = (count: number, what: string, isLent?: boolean) => Promise<Uint8Array>

/**
 * The messages of an Arrow file or stream, in order: the format is found out by the first bytes.
 *
 * @throws `Corrupt` for what is neither, is cut short or damaged
 * @see https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
 */
export async function* arrowMessages(file: FileInfo, options: { readonly signal: AbortSignal | undefined; readonly onRead: (bytes: number) => void }): AsyncGenerator<ArrowMessage, void, undefined> {
  const reader = new FileReader(file, options)
  const cut = (problem: string): MillraceError =>
    failure({ tag: 'Corrupt', code: 'ARROW_TRUNCATED', problem: `${problem}, at byte ${reader.at}`, remedy: 'The file was cut short: fetch or write it again.', position: { source: file.url, byte: reader.at } })
  const need: Need = async (count, what, isLent) => {
    const bytes = await reader.take(count, isLent)
    if (bytes.length < count) throw cut(`the file ends within ${what}`)
    return bytes
  }
  try {
    const first = await reader.take(4)
    const isFile = Buffer.from(first).toString('latin1') === FILE_MAGIC.slice(0, 4)
    if (isFile) await checkMagic(file, await need(4, 'its first bytes'))
    let word = isFile ? await need(4, 'its first message') : first
    if (word.length < 4) throw notArrow(file, word)
    let batches = 0
    for (let isFirst = true; ; isFirst = false) {
      const byte = reader.at - 4
      let length = word32(word)
      if (length === CONTINUATION) length = word32(await need(4, 'a message'))
      // Streams from before Arrow 0.15 begin with the length itself.
      else if (isFirst && length > 1 << 24) throw notArrow(file, word)
      if (length === 0) break
      if (length > MAX_METADATA_BYTES) throw arrowError(new Error(`it says that it has ${length} bytes`), file.url, 'a message cannot be read', { byte })
      const message = await readMessage(file, reader, length, byte, need)
      if (isFirst && message.kind !== 'schema') yield { kind: 'schema', header: await footerSchema(file, isFile, options.signal), body: new Uint8Array(0), isLent: false, byte }
      if (message.kind === 'batch') batches++
      yield message
      word = await reader.take(4)
      if (word.length === 0 && !isFile) return
      if (word.length < 4) throw cut('the file ends without its end mark')
    }
    await checkEnd(file, reader, isFile, batches, cut)
  } finally {
    await reader.close()
  }
}

const word32 = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)

const notArrow = ({ url }: FileInfo, head: Uint8Array): MillraceError => {
  const text = Buffer.from(head).toString('latin1')
  const found = head.length === 0 ? 'it is empty' : `it begins with ${/^[\x20-\x7e]*$/.test(text) ? JSON.stringify(text) : `bytes ${Buffer.from(head).toString('hex')}`}`
  const remedy = text === 'FEA1' ? 'Feather version 1 is not read: write it as version 2, which is Arrow.' : 'Check the path and the format.'
  return failure({ tag: 'Corrupt', code: 'NOT_ARROW', problem: `this is no Arrow file or stream: ${found}`, remedy, position: { source: url, byte: 0 } })
}

/** Files of apache-arrow have their schema in the footer only. */
const footerSchema = async ({ url, size }: FileInfo, isFile: boolean, signal: AbortSignal | undefined): Promise<FlatTable> => {
  try {
    if (!isFile || size === undefined) throw new Error('it does not begin with a schema')
    const bytesFrom = async (start: number, end: number): Promise<Uint8Array> => {
      const parts: Uint8Array[] = []
      for await (const chunk of readBytes(url, { start, end, signal })) parts.push(chunk)
      return new Uint8Array(Buffer.concat(parts))
    }
    const length = word32(await bytesFrom(size - TAIL_BYTES, size))
    if (length > Math.min(MAX_METADATA_BYTES, size - TAIL_BYTES)) throw new Error(`it says that its footer has ${length} bytes`)
    const schema = FlatTable.root(await bytesFrom(size - TAIL_BYTES - length, size - TAIL_BYTES)).table(1)
    if (schema === undefined) throw new Error('it has no schema')
    return schema
  } catch (error) {
    throw arrowError(error, url, 'the file cannot be read', { byte: 0 })
  }
}

const checkMagic = async (file: FileInfo, rest: Uint8Array): Promise<void> => {
  if (Buffer.from(rest.subarray(0, 2)).toString('latin1') !== FILE_MAGIC.slice(4)) throw notArrow(file, Buffer.concat([Buffer.from(FILE_MAGIC.slice(0, 4)), rest]))
}

const readMessage = async (file: FileInfo, reader: FileReader, length: number, byte: number, need: Need): Promise<ArrowMessage> => {
  const metadata = await need(length, 'the description of a message')
  let kind: ArrowMessage['kind']
  let header: FlatTable | undefined
  let bodyLength: number
  try {
    const message = FlatTable.root(metadata)
    kind = kinds[message.byte(1)] ?? 'other'
    header = message.table(2)
    bodyLength = message.count(3)
    if (header === undefined) throw new Error('it has no header')
    if (file.size !== undefined && bodyLength > file.size - reader.at) throw new Error(`it says that ${bodyLength} bytes follow it, and there are ${file.size - reader.at}`)
  } catch (error) {
    throw arrowError(error, file.url, 'a message cannot be read', { byte })
  }
  const isLent = kind === 'batch' && bodyLength >= LARGE_BYTES
  return { kind, header, byte, isLent, body: await need(bodyLength, 'the body of a message', isLent) }
}

/** What stands after the end mark: nothing in a stream, in a file the footer, which has to know of as many batches as there were. */
const checkEnd = async (file: FileInfo, reader: FileReader, isFile: boolean, batches: number, cut: (problem: string) => MillraceError): Promise<void> => {
  const byte = reader.at
  const rest = await reader.take(MAX_METADATA_BYTES)
  const wrong = (problem: string): MillraceError => failure({ tag: 'Corrupt', code: 'ARROW_TRAILING', problem, remedy: 'Fetch or write the file again.', position: { source: file.url, byte } })
  if (!isFile) {
    if (rest.length > 0) throw wrong('bytes follow the end mark of the stream')
    return
  }
  if (rest.length < TAIL_BYTES || Buffer.from(rest.subarray(-6)).toString('latin1') !== FILE_MAGIC) throw cut('the file ends within its footer')
  if (word32(rest.subarray(-TAIL_BYTES)) !== rest.length - TAIL_BYTES) throw wrong('the footer has another length than it says')
  let due: number
  try {
    due = FlatTable.root(rest.subarray(0, -TAIL_BYTES)).length(3, 24)
  } catch (error) {
    throw arrowError(error, file.url, 'the footer cannot be read', { byte })
  }
  if (due !== batches) throw wrong(`the footer knows of ${due} record batches, and there are ${batches}`)
}
