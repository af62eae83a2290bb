import { failure, fromUnknown, hasTag, throwIfAborted } from '../../errors/index.js'
import { jsonFields } from '../http/small-answer.js'
import { readStart, TryAgain } from '../http/try-request.js'
import { alreadyExists } from '../local-storage.js'
import { startMd5 } from '../objects/md5.js'
import type { ObjectPlace } from '../objects/object-url.js'
import type { OutputPlan } from '../objects/output-plan.js'
import { PartBuffer } from '../objects/part-buffer.js'
import type { Output } from '../storage.js'
import type { GcsClient } from './gcs-client.js'

/** All requests of a resumable upload but its last one send a multiple of it. */
export const CHUNK_UNIT = 256 * 1024
const CLEAN_UP_MS = 30_000

/** Bytes that the server has of an upload, as an answer 308 says. */
const persisted = (response: Response): number => {
  const last = /^bytes=0-(\d+)$/.exec(response.headers.get('range') ?? '')?.[1]
  return last === undefined ? 0 : Number(last) + 1
}

/**
 * An object under way: a resumable upload, of which nothing is seen until its last bytes are there
 * (https://cloud.google.com/storage/docs/performing-resumable-uploads). What was cut is sent on from where the server says; MD5 of the
 * whole is checked by the server before the object appears, and here.
 */
export class GcsOutput implements Output {
  readonly url: string
  private readonly buffer: PartBuffer
  private readonly stop = new AbortController()
  private readonly signal: AbortSignal
  private readonly md5 = startMd5()
  private session: string | undefined
  private sending: Promise<void> = Promise.resolve()
  private failed: unknown
  /** Bytes that were handed to the sender. */
  private sent = 0
  private closed = false
  private committed = false

  constructor(private readonly plan: OutputPlan<GcsClient>) {
    this.url = plan.url
    this.buffer = new PartBuffer(plan.partBytes)
    this.signal = plan.signal === undefined ? this.stop.signal : AbortSignal.any([plan.signal, this.stop.signal])
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.md5?.update(bytes)
    for (let at = 0; at < bytes.length; ) {
      this.check()
      if (this.buffer.isFull) await this.sendPart(this.buffer.take())
      at += this.buffer.add(bytes.subarray(at))
    }
  }

  async close(): Promise<void> {
    this.check()
    if (this.closed) return
    this.closed = true
    if (this.session === undefined) return
    const rest = this.buffer.take()
    const whole = rest.length - (rest.length % CHUNK_UNIT)
    if (whole > 0) await this.sendPart(rest.subarray(0, whole))
    this.buffer.add(rest.subarray(whole))
    await this.sending
    this.check()
  }

  async commit(): Promise<void> {
    await this.close()
    const md5Hash = this.md5?.digest('base64')
    try {
      this.session ??= await this.begin(md5Hash)
      const last = this.buffer.take()
      const answer = await this.put(last, this.sent, this.sent + last.length, md5Hash)
      this.committed = true
      await this.requireSame(answer ?? {}, md5Hash)
    } catch (error) {
      if (hasTag(error, 'Storage') && error.code === 'GCS_412') throw alreadyExists(this.url)
      throw error
    }
  }

  async abort(): Promise<void> {
    if (this.committed) return
    this.stop.abort()
    await this.sending
    const { session } = this
    if (session === undefined) return
    this.session = undefined
    const signal = AbortSignal.timeout(CLEAN_UP_MS)
    // 499 is how Google says that an upload is cancelled.
    await this.plan.client.request({ method: 'DELETE', path: session, source: this.url, accept: [404, 410, 499], signal }, drained).catch(() => undefined)
  }

  /** Fails as the part under way did. */
  private check(): void {
    throwIfAborted(this.plan.signal)
    if (this.failed !== undefined) throw fromUnknown(this.failed, { source: this.url })
  }

  /** Sends a part while the next one fills. */
  private async sendPart(part: Uint8Array<ArrayBuffer>): Promise<void> {
    this.session ??= await this.begin(undefined)
    await this.sending
    this.check()
    const start = this.sent
    this.sent += part.length
    const leave = await this.plan.gate.enter()
    this.sending = this.put(part, start, undefined, undefined)
      .then(() => undefined)
      .catch((error: unknown) => {
        this.failed ??= error
      })
      .finally(leave)
  }

  /** @param md5Hash - of the whole, where it is known already */
  private begin(md5Hash: string | undefined): Promise<string> {
    const { client, place, ifExists } = this.plan
    const body = new Uint8Array(Buffer.from(JSON.stringify({ name: place.key, ...(md5Hash === undefined ? {} : { md5Hash }) })))
    const query = { uploadType: 'resumable', ...(ifExists === 'fail' ? { ifGenerationMatch: '0' } : {}) }
    return client.request({ method: 'POST', path: `/upload/storage/v1/b/${place.bucket}/o`, query, headers: { 'content-type': 'application/json' }, body, source: this.url, signal: this.signal }, async (response) => {
      await drained(response)
      const location = response.headers.get('location') ?? ''
      if (!URL.canParse(location)) throw this.strange('no place to send an upload to')
      // Of its own host alone: no server says where tokens go.
      const { pathname, search } = new URL(location)
      return `${pathname}${search}`
    })
  }

  /**
   * Sends bytes from `start` on, after a failure only those that the server lacks.
   *
   * @param total - bytes of the whole object, where these are its last
   * @returns the object's description, where these were its last
   */
  private put(bytes: Uint8Array<ArrayBuffer>, start: number, total: number | undefined, md5Hash: string | undefined): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { client } = this.plan
    const end = start + bytes.length
    const shared = { method: 'PUT', path: this.session!, source: this.url } as const
    const tail = `${total ?? '*'}`
    let from = start
    let attempt = 0
    return client.run({
      request: { source: this.url, accept: [308], signal: this.signal, sending: bytes.length },
      send: async (signal) => {
        if (++attempt > 1) {
          const state = await client.send({ ...shared, headers: { 'content-range': `bytes */${tail}` } }, signal)
          if (state.status !== 308) return state
          from = persisted(state)
          if (from < start || from > end) throw this.strange(`${from} as the bytes that it has, where ${start} to ${end} were sent`)
          if (from === end && total === undefined) return state
          await drained(state)
        }
        const range = from === end ? `bytes */${tail}` : `bytes ${from}-${end - 1}/${tail}`
        const headers = { 'content-range': range, ...(total === undefined || md5Hash === undefined ? {} : { 'x-goog-hash': `md5=${md5Hash}` }) }
        return client.send({ ...shared, headers, body: bytes.subarray(from - start) }, signal)
      },
      read: async (response) => {
        const text = Buffer.from(await readStart(response)).toString('utf8')
        if (response.status !== 308) {
          if (total === undefined) throw this.strange('an end to an upload that is not at its end')
          return jsonFields(text)
        }
        if (total === undefined && persisted(response) === end) return undefined
        throw new TryAgain(failure({ tag: 'Storage', code: 'GCS_INCOMPLETE', problem: `the server keeps ${persisted(response)} bytes of ${end} that were sent`, remedy: 'Try again later.', position: { source: this.url } }))
      },
    })
  }

  /** Takes back an object that is not what was written: the server checks it too, but not every one that speaks this protocol. */
  private async requireSame(answer: Readonly<Record<string, unknown>>, md5Hash: string | undefined): Promise<void> {
    const { md5Hash: theirs, generation } = answer
    if (md5Hash === undefined || typeof theirs !== 'string' || theirs === md5Hash) return
    const { client, place } = this.plan
    const query: Record<string, string> = typeof generation === 'string' ? { ifGenerationMatch: generation } : {}
    await client.request({ method: 'DELETE', path: objectPath(place), query, source: this.url, accept: [404, 412], signal: AbortSignal.timeout(CLEAN_UP_MS) }, drained).catch(() => undefined)
    throw failure({ tag: 'Storage', code: 'GCS_CHECKSUM', problem: 'the object that the server made has another MD5 than what was written', remedy: 'Write it again.', position: { source: this.url } })
  }

  private strange(what: string): Error {
    return failure({ tag: 'Storage', code: 'GCS_STRANGE_ANSWER', problem: `the server gave ${what}`, remedy: 'Check that the endpoint is Google Cloud Storage.', position: { source: this.url } })
  }
}

/** The path of an object in the JSON API. */
export const objectPath = ({ bucket, key }: ObjectPlace): string => `/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}`

/** Reads what nobody looks at, so that the connection serves again. */
const drained = async (response: Response): Promise<void> => void (await readStart(response))
