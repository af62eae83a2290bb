import { failure, hasTag } from '../errors/index.js'
import { openOutputSet, readBytes, storageFor, type OutputSet } from '../storage/index.js'
import type { Position } from '../stream/position.js'
import type { OnBadRecord, Quarantine, RejectedRecord } from './bad-records.js'

/** A {@link Quarantine} that is told when a reading begins and ends. */
interface SinkQuarantine extends Quarantine {
  /** A quarantine of its own for one reading; `finish` makes what it holds appear, and is told whether the reading has seen all records. */
  readonly begin: () => Quarantine & { readonly finish: (hasSeenAll: boolean) => Promise<void> }
}

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

const fileSink = (url: string): SinkQuarantine['begin'] => () => {
  let set: OutputSet | undefined
  let last = Promise.resolve()
  const put = async (record: RejectedRecord): Promise<void> => {
    set ??= await openOutputSet([url], { ifExists: 'replace' })
    const raw = record.raw === undefined ? null : Buffer.from(record.raw).toString('base64')
    await set.outputs[0]!.write(encoder.encode(`${JSON.stringify({ ...record, raw })}\n`))
  }
  return {
    // Of files that are read at one time several have a bad record at once. None is written after one that could not be.
    quarantine: (record) => (last = last.then(() => put(record))),
    finish: async (hasSeenAll) => {
      const isBroken = await last.then(() => false, () => true)
      // A look at the first rows says nothing of the others.
      if (set === undefined) return hasSeenAll && !isBroken ? removeEarlier(url) : undefined
      // A file that could not be written to its end (a full disk) does not appear.
      await (isBroken ? set.abort() : set.commit())
    },
  }
}

/**
 * Puts bad records where they can be looked at and replayed.
 *
 * @param sink - a file, written as JSON lines with the raw bytes in base64 (read it back with {@link readQuarantine}), or a
 *   function. The file is replaced each time the stream is read, and appears when that reading ends, also when it ends in
 *   an error. A reading without bad records leaves none: that of an earlier one is removed, unless the reading was left
 *   early, failed, or went on from a position. So each reader takes a file of its own, and so does the rest of a reading that is
 *   resumed: its bad records would take the place of the earlier ones.
 * @example
 * readCsv('users.csv', { schema, onBadRecord: quarantine('out/bad-users.jsonl') })
 */
export const quarantine = (sink: string | ((record: RejectedRecord) => void | Promise<void>)): Quarantine => {
  if (typeof sink === 'function') return { quarantine: sink }
  const begin = fileSink(sink)
  const sinkQuarantine: SinkQuarantine = {
    begin,
    quarantine: () => {
      throw failure({ tag: 'Internal', code: 'QUARANTINE_NOT_OPEN', problem: 'the reader did not open its quarantine file' })
    },
  }
  return sinkQuarantine
}

/**
 * Runs a reading with its own quarantine: readers wrap what they yield in it, and pass the policy that they are given to
 * `rejectRecord`.
 *
 * @param from - where the reading goes on, if `read` does not begin at the beginning: its end says nothing of the records before
 */
export async function* withQuarantine<T>(policy: OnBadRecord | undefined, read: (policy: OnBadRecord | undefined) => AsyncIterable<T>, from?: Position): AsyncGenerator<T, void, undefined> {
  if (typeof policy !== 'object' || !('begin' in policy)) return yield* read(policy)
  const opened = (policy as SinkQuarantine).begin()
  let end: 'left' | 'reached' | 'failed' = 'left'
  try {
    yield* read(opened)
    end = 'reached'
  } catch (error) {
    end = 'failed'
    throw error
  } finally {
    const finished = opened.finish(end === 'reached' && from === undefined)
    // The error that is there already says more.
    await (end === 'failed' ? finished.catch(() => undefined) : finished)
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
