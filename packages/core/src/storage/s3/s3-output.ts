import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { failure, fromUnknown, hasTag, throwIfAborted } from '../../errors/index.js'
import { readStart, TryAgain } from '../http/try-request.js'
import { alreadyExists } from '../local-storage.js'
import type { OutputPlan } from '../objects/output-plan.js'
import { PartBuffer } from '../objects/part-buffer.js'
import type { Output } from '../storage.js'
import type { S3Answer, S3Client, S3Request } from './s3-client.js'
import { isPassing, problemIn, s3Error } from './s3-error.js'
import { parseXml, textOf, xmlText } from './xml.js'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MAX_PARTS = 10_000
/** Under this name an object says which writing it came from, so that an answer that was lost can be found out. */
const MARK = 'x-amz-meta-millrace-upload'
/** What cleans up after a signal has to end some time. */
const CLEAN_UP_MS = 30_000
const CLEAN_UP_ROUNDS = 5
const LATE_PART_MS = 100

/** An upload that begins just when it is aborted is waited for so long, so that it can be aborted too. */
const BEGINNING_MS = 5000

/** Fires some time after another signal. */
const after = (signal: AbortSignal, ms: number): AbortSignal => {
  const late = new AbortController()
  signal.addEventListener('abort', () => setTimeout(() => late.abort(signal.reason), ms).unref(), { once: true })
  return late.signal
}

const textBody = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text))

/**
 * An object under way. What fits in one part waits in memory and is one request; what is larger goes as a multi-part upload, of which
 * nothing is seen until it is completed. Parts are sent while the next ones fill; the gate bounds how many there are.
 */
export class S3Output implements Output {
  readonly url: string
  private readonly buffer: PartBuffer
  private readonly stop = new AbortController()
  private readonly signal: AbortSignal
  private readonly mark: string = randomUUID()
  private readonly tags: string[] = []
  private readonly sending = new Set<Promise<void>>()
  private uploadId: string | undefined
  /** All the bytes of a closed output that is one part. */
  private whole: Uint8Array<ArrayBuffer> | undefined
  private failed: unknown
  /** Whether a part was on its way when its sending ended. */
  private wasCut = false
  private parts = 0
  private closed = false
  private committed = false

  constructor(private readonly plan: OutputPlan<S3Client>) {
    this.url = plan.url
    this.buffer = new PartBuffer(plan.partBytes)
    this.signal = plan.signal === undefined ? this.stop.signal : AbortSignal.any([plan.signal, this.stop.signal])
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      this.check()
      // Only when more comes is a full part not the last.
      if (this.buffer.isFull) await this.sendPart()
      at += this.buffer.add(bytes.subarray(at))
    }
  }

  async close(): Promise<void> {
    this.check()
    if (this.closed) return
    this.closed = true
    if (this.uploadId === undefined) return
    if (this.buffer.length > 0) await this.sendPart()
    await Promise.all(this.sending)
    this.check()
  }

  async commit(): Promise<void> {
    await this.close()
    const isNew = this.plan.ifExists === 'fail' ? { 'if-none-match': '*' } : {}
    try {
      await (this.uploadId === undefined ? this.putWhole(isNew) : this.complete(isNew))
    } catch (error) {
      // Compatible services may know no conditions: then the name is looked at just before.
      if (this.plan.ifExists === 'replace' || !hasTag(error, 'Storage') || !/^S3_(NOT_IMPLEMENTED|INVALID_ARGUMENT)$/.test(error.code)) throw error
      if ((await this.markThere()) !== undefined) throw alreadyExists(this.url)
      await (this.uploadId === undefined ? this.putWhole({}) : this.complete({}))
    }
    this.committed = true
  }

  async abort(): Promise<void> {
    if (this.committed) return
    this.wasCut ||= this.sending.size > 0
    this.stop.abort()
    await Promise.all(this.sending)
    const { uploadId } = this
    if (uploadId === undefined) return
    this.uploadId = undefined
    await this.abortUpload(uploadId).catch(() => undefined)
  }

  /** A part that was cut here may still arrive there, after the upload was aborted: then it has to be aborted again. */
  private async abortUpload(uploadId: string): Promise<void> {
    const signal = AbortSignal.timeout(CLEAN_UP_MS)
    const query = { uploadId }
    for (let round = 0; round < CLEAN_UP_ROUNDS; round++) {
      await this.request({ method: 'DELETE', query, accept: ['NoSuchUpload'], signal }, drained)
      if (!this.wasCut) return
      await sleep(LATE_PART_MS * 2 ** round)
      if (await this.request({ method: 'GET', query, accept: ['NoSuchUpload'], signal }, async (answer) => (await drained(answer), answer.refused !== undefined))) return
    }
  }

  /** Fails as the parts under way did. */
  private check(): void {
    throwIfAborted(this.plan.signal)
    if (this.failed !== undefined) throw fromUnknown(this.failed, { source: this.url })
  }

  private request<A>(request: Omit<S3Request, 'bucket' | 'key' | 'source'>, read: (answer: S3Answer) => Promise<A>): Promise<A> {
    return this.plan.client.request({ signal: this.signal, ...request, ...this.plan.place, source: this.url }, read)
  }

  private async sendPart(): Promise<void> {
    if (this.parts === MAX_PARTS) {
      throw failure({
        tag: 'Limit', code: 'S3_TOO_MANY_PARTS', problem: `the object would have more than ${MAX_PARTS} parts of ${this.plan.partBytes} bytes`,
        remedy: 'Write more shards, or raise partBytes: registerStorage(s3Storage({ partBytes })).', position: { source: this.url },
      })
    }
    this.uploadId ??= await this.begin()
    const leave = await this.plan.gate.enter()
    const index = this.parts++
    const body = this.buffer.take()
    const sent = this.request({ method: 'PUT', query: { partNumber: `${index + 1}`, uploadId: this.uploadId }, body }, async ({ response }) => {
      await drained({ response })
      const tag = response.headers.get('etag')
      if (tag === null) throw this.strange('an answer to a part without an ETag')
      this.tags[index] = tag
    })
      .catch((error: unknown) => {
        this.failed ??= error
        this.wasCut ||= this.signal.aborted
      })
      .finally(() => {
        leave()
        this.sending.delete(sent)
      })
    this.sending.add(sent)
  }

  private begin(): Promise<string> {
    return this.request({ method: 'POST', query: { uploads: '' }, headers: { [MARK]: this.mark }, signal: after(this.signal, BEGINNING_MS) }, async ({ response }) => {
      const id = textOf(parseXml(await textOfAnswer(response)), 'UploadId')
      if (id === undefined || id === '') throw this.strange('no UploadId')
      return id
    })
  }

  private putWhole(condition: Readonly<Record<string, string>>): Promise<void> {
    // The bytes stay: a commit may be tried without the condition.
    this.whole ??= this.buffer.take()
    return this.request({ method: 'PUT', headers: { [MARK]: this.mark, ...condition }, body: this.whole, accept: ['PreconditionFailed'] }, async (answer) => {
      if (answer.refused !== undefined) return this.requireOurs(answer.attempt)
      await drained(answer)
    })
  }

  private complete(condition: Readonly<Record<string, string>>): Promise<void> {
    const parts = this.tags.map((tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${xmlText(tag)}</ETag></Part>`).join('')
    const body = textBody(`<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts}</CompleteMultipartUpload>`)
    const query = { uploadId: this.uploadId! }
    return this.request({ method: 'POST', query, headers: { 'content-type': 'application/xml', ...condition }, body, accept: ['PreconditionFailed', 'NoSuchUpload'] }, async ({ response, refused, attempt }) => {
      if (refused !== undefined) return this.requireOurs(attempt, refused)
      // S3 begins to answer before it is done, and may then say in a body of status 200 that it failed.
      const root = parseXml(await textOfAnswer(response))
      if (root?.name === 'CompleteMultipartUploadResult') return
      const problem = { status: 500, code: 'InternalError', ...definedCode(problemIn(root, 500).code), region: undefined }
      const error = s3Error(problem, this.url, 'the credentials of the upload')
      throw isPassing(problem) ? new TryAgain(error) : error
    })
  }

  /** A name that is taken, or an upload that is gone, may be the work of an earlier try whose answer was lost. */
  private async requireOurs(attempt: number, refused = 'PreconditionFailed'): Promise<void> {
    if (attempt > 1 && (await this.markThere()) === this.mark) return
    if (refused === 'PreconditionFailed') throw alreadyExists(this.url)
    throw failure({ tag: 'Storage', code: 'S3_NO_SUCH_UPLOAD', problem: 'the upload is gone: something aborted it', remedy: 'Write it again; look at the rules of the bucket that abort uploads.', position: { source: this.url } })
  }

  /** The mark of the object that is there; empty for one without, `undefined` where none is. */
  private markThere(): Promise<string | undefined> {
    return this.request({ method: 'HEAD', accept: ['NotFound'] }, async ({ response, refused }) => (refused === undefined ? (response.headers.get(MARK) ?? '') : undefined))
  }

  private strange(what: string): Error {
    return failure({ tag: 'Storage', code: 'S3_STRANGE_ANSWER', problem: `the server gave ${what}`, remedy: 'Check that the endpoint is an S3 service.', position: { source: this.url } })
  }
}

const definedCode = (code: string | undefined): { readonly code?: string } => (code === undefined ? {} : { code })

const drained = async ({ response }: Pick<S3Answer, 'response'>): Promise<void> => void (await readStart(response))

const textOfAnswer = async (response: Response): Promise<string> => Buffer.from(await readStart(response)).toString('utf8').trim()
