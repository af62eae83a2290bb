import { failure, hasTag } from '../errors/index.js'
import { openOutputSet, readBytes, storageFor, type OutputSet } from '../storage/index.js'
import type { Position } from '../stream/position.js'
import { Reading, type ReadingEnd, type SharedOutput } from '../stream/reading.js'
import type { Tally } from '../stream/tally.js'
import type { OnBadRecord, Quarantine, RejectedRecord } from './bad-records.js'

/** A {@link Quarantine} that is a file. */
interface FileQuarantine extends Quarantine {
  readonly quarantineFile: string
}

/** The reading that a source is read in. */
export interface QuarantineContext {
  readonly tally?: Tally | undefined
  /** Where the reading goes on, if it does not begin at the beginning: its end says nothing of the records before. */
  readonly from?: Position | undefined
}

/** Characters of lines that are written at once. */
const WRITE_CHARACTERS = 64 * 1024

const encoder = new TextEncoder()

/** Removes the file of an earlier reading, and no other one: what has the name by mistake may be dear to somebody. */
const removeEarlier = async (url: string): Promise<void> => {
  const { remove } = storageFor(url)
  if (remove === undefined) return
  try {
    for await (const record of readQuarantine(url)) {
      void record
      break
    }
  } catch (error) {
    if (hasTag(error, 'NotFound', 'Corrupt', 'Limit')) return
    throw error
  }
  await remove(url)
}

/** The file that the readers of one reading write their bad records to. */
class QuarantineFile implements SharedOutput {
  private set: OutputSet | undefined
  private isBegun = false
  private lines: string[] = []
  private characters = 0
  private last = Promise.resolve()
  private readersBegun = 0
  private readersEnded = 0

  constructor(private readonly url: string) {}

  /** Takes the bad records of one more reader, until what it gives is called, with whether there are no more. */
  begin(): (hasSeenAll: boolean) => void {
    this.readersBegun++
    return (hasSeenAll) => void (this.readersEnded += hasSeenAll ? 1 : 0)
  }

  /** Takes a record. Gives a promise when enough of them have come to be written; that of the first shows whether the file can be. */
  put(record: RejectedRecord): Promise<void> | undefined {
    const raw = record.raw === undefined ? null : Buffer.from(record.raw.buffer, record.raw.byteOffset, record.raw.length).toString('base64')
    const line = `${JSON.stringify({ ...record, raw })}\n`
    this.lines.push(line)
    this.characters += line.length
    if (this.isBegun && this.characters < WRITE_CHARACTERS) return undefined
    this.isBegun = true
    return this.flush()
  }

  /** Makes the file appear, or removes that of an earlier reading where this one has seen all records and none was bad. */
  async finish(hasSeenAll: boolean): Promise<void> {
    // A look at the first rows says nothing of the others.
    if (!this.isBegun) return hasSeenAll && this.readersEnded === this.readersBegun ? removeEarlier(this.url) : undefined
    const wasBroken = await this.last.then(() => false, () => true)
    try {
      await this.flush()
    } catch (error) {
      // A file that could not be written to its end (a full disk) does not appear. Who put the record knows why already.
      await this.set?.abort()
      if (wasBroken) return
      throw error
    }
    await this.set?.commit()
  }

  /** Of files that are read at one time several have a bad record at once. None is written after one that could not be. */
  private flush(): Promise<void> {
    return (this.last = this.last.then(() => this.write()))
  }

  private async write(): Promise<void> {
    const text = this.lines.join('')
    this.lines = []
    this.characters = 0
    if (text === '') return
    this.set ??= await openOutputSet([this.url], { ifExists: 'replace' })
    await this.set.outputs[0]!.write(encoder.encode(text))
  }
}

/**
 * Puts bad records where they can be looked at and replayed.
 *
 * @param sink - a file, written as JSON lines with the raw bytes in base64 (read it back with {@link readQuarantine}), or a
 *   function. The file is replaced each time the stream is read, and appears when that reading ends, also when it ends in
 *   an error. A reading without bad records leaves none: that of an earlier one is removed, unless the reading was left
 *   early, failed, or went on from a position. Readers of one stream (`concat`, `join`) may name the same file, which holds the bad records of
 *   all of them. What is read apart takes a file of its own, and so does the rest of a reading that is resumed: its bad records would
 *   take the place of the earlier ones.
 * @example
 * readCsv('users.csv', { schema, onBadRecord: quarantine('out/bad-users.jsonl') })
 */
export const quarantine = (sink: string | ((record: RejectedRecord) => void | Promise<void>)): Quarantine => {
  if (typeof sink === 'function') return { quarantine: sink }
  const file: FileQuarantine = {
    quarantineFile: sink,
    quarantine: () => {
      throw failure({ tag: 'Internal', code: 'QUARANTINE_NOT_OPEN', problem: 'the reader did not open its quarantine file' })
    },
  }
  return file
}

/**
 * Reads a source with its quarantine open: readers wrap what they yield in it, and pass the policy that they are given to
 * `rejectRecord`. The file is that of the whole reading where the context says which one it is.
 */
export async function* withQuarantine<T>(policy: OnBadRecord | undefined, read: (policy: OnBadRecord | undefined) => AsyncIterable<T>, { tally, from }: QuarantineContext = {}): AsyncGenerator<T, void, undefined> {
  if (typeof policy !== 'object' || !('quarantineFile' in policy)) return yield* read(policy)
  const { quarantineFile: url } = policy as FileQuarantine
  // A source that is read by itself is all of its reading.
  const own = tally instanceof Reading ? undefined : new Reading()
  const file = (own ?? (tally as Reading)).share(`quarantine ${url}`, () => new QuarantineFile(url))
  const end = file.begin()
  let how: ReadingEnd = 'left'
  try {
    yield* read({ quarantine: (record) => file.put(record) })
    how = 'reached'
  } catch (error) {
    how = 'failed'
    throw error
  } finally {
    end(how === 'reached' && from === undefined)
    await own?.end(how)
  }
}

/** Most characters of one quarantined record: a raw record of 256 MiB in base64. */
const LONGEST_LINE = 2 ** 29 - 24

type Unknown = { readonly [key: string]: unknown }

const isText = (value: unknown): value is string => typeof value === 'string'

/** What a line says, if it is all there: files come from elsewhere too. */
const recordOf = ({ source, record, byte, column, code, reason, raw, encoding }: Unknown): RejectedRecord | undefined => {
  if (!isText(source) || !isText(code) || !isText(reason) || !Number.isInteger(record)) return undefined
  if (!(byte === undefined || Number.isInteger(byte)) || !(column === undefined || isText(column)) || !(raw === null || isText(raw)) || !(encoding === undefined || encoding === 'utf-8')) return undefined
  return { source, record: record as number, byte: byte as number | undefined, column, code, reason, raw: raw === null ? undefined : new Uint8Array(Buffer.from(raw, 'base64')), encoding }
}

/** Reads a quarantine file back, record by record. @throws `Corrupt` that names the line when it is no such file */
export async function* readQuarantine(url: string): AsyncGenerator<RejectedRecord, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  let line = 0
  const parse = (text: string): RejectedRecord => {
    line++
    let cause: unknown
    try {
      const found = recordOf(JSON.parse(text) as Unknown)
      if (found !== undefined) return found
    } catch (error) {
      cause = error
    }
    throw failure({ tag: 'Corrupt', code: 'QUARANTINE_LINE', problem: 'the line is no quarantined record', position: { source: url, line }, cause })
  }
  for await (const chunk of readBytes(url)) {
    const [first, ...others] = decoder.decode(chunk, { stream: true }).split('\n')
    rest += first!
    if (rest.length > LONGEST_LINE) throw failure({ tag: 'Limit', code: 'QUARANTINE_LINE_TOO_LONG', problem: 'the line is too long for a quarantined record', position: { source: url, line: line + 1 } })
    for (const next of others) {
      yield parse(rest)
      rest = next
    }
  }
  if (rest !== '') yield parse(rest)
}
