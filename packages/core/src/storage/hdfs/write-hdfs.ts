import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { failure, hasTag, isMillraceError, throwIfAborted } from '../../errors/index.js'
import { alreadyExists } from '../local-storage.js'
import type { IfExists, Output } from '../storage.js'
import { statusOf, type FileStatus } from './file-status.js'
import { splitPath, urlAt, type HdfsPlace } from './hdfs-url.js'
import { mayPass, pauseBefore, type NameNodes } from './name-nodes.js'

/** Tries of one part. With the pauses some 25 s, as long as a name node may take to become active. */
const TRIES = 9
/** What a request under way may take to end by itself before its file is removed: one that still begins would make it again. */
const ABORT_GRACE_MS = 5_000

/** What an output needs to know. */
export interface HdfsOutputOptions {
  readonly ifExists: IfExists
  readonly signal?: AbortSignal | undefined
  /** Bytes that are kept in memory and sent at once. */
  readonly partBytes: number
}

const found = async (nodes: NameNodes, place: HdfsPlace, signal?: AbortSignal): Promise<FileStatus | undefined> => {
  try {
    return await statusOf(nodes, place, signal)
  } catch (error) {
    if (hasTag(error, 'NotFound')) return undefined
    throw error
  }
}

/** A name in the same folder that no other writer uses, hidden. */
const temporaryPlace = (place: HdfsPlace): HdfsPlace => {
  const { folder, name } = splitPath(place.path)
  return { ...place, path: `${folder}/.${name}.${process.pid}-${randomBytes(4).toString('hex')}.tmp` }
}

const outputIsFolder = (source: string): Error =>
  failure({ tag: 'AlreadyExists', code: 'OUTPUT_IS_FOLDER', problem: 'a folder has the name of the file to write', remedy: 'Write under another name: a file takes the place of files only.', position: { source } })

/** Opens an output: see {@link HdfsOutput}. @throws `AlreadyExists` */
export const createHdfs = async (nodes: NameNodes, place: HdfsPlace, options: HdfsOutputOptions): Promise<Output> => {
  const url = urlAt(place, place.path)
  throwIfAborted(options.signal)
  if (place.path.endsWith('/')) throw outputIsFolder(url)
  if (splitPath(place.path).name.includes(':')) {
    throw failure({ tag: 'Usage', code: 'HDFS_INVALID_PATH', problem: 'the name has a colon, which HDFS does not allow', remedy: 'Write under another name.', position: { source: url } })
  }
  const there = await found(nodes, place, options.signal)
  if (there?.isFolder === true) throw outputIsFolder(url)
  if (there !== undefined && options.ifExists === 'fail') throw alreadyExists(url)
  const output = new HdfsOutput(nodes, place, url, options)
  try {
    await output.begin()
    return output
  } catch (error) {
    // What an abort left under way makes the file yet.
    await output.abort()
    throw error
  }
}

/**
 * One file, written under a hidden name beside its own in parts: the first creates it, the others are appended, each a request of its
 * own. A part is in memory until HDFS has it, so that what fails in between (a data node, a name node that gives way to another) is
 * made good by sending what of it is missing.
 */
class HdfsOutput implements Output {
  private readonly temporary: HdfsPlace
  private readonly pending: Uint8Array[] = []
  private pendingBytes = 0
  /** Bytes that HDFS has. */
  private length = 0
  private underWay: Promise<unknown> = Promise.resolve()
  private readonly stop = new AbortController()
  private closed = false

  constructor(
    private readonly nodes: NameNodes,
    private readonly place: HdfsPlace,
    readonly url: string,
    private readonly options: HdfsOutputOptions,
  ) {
    this.temporary = temporaryPlace(place)
  }

  /** Creates the empty file, so that what stands against it is told before anything is computed for it. */
  begin(): Promise<void> {
    return this.perform(() => this.create(new Uint8Array(0)))
  }

  async write(bytes: Uint8Array): Promise<void> {
    throwIfAborted(this.options.signal)
    const { partBytes } = this.options
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(bytes.length - at, partBytes - this.pendingBytes)
      this.pending.push(bytes.slice(at, at + taken))
      this.pendingBytes += taken
      at += taken
      if (this.pendingBytes === partBytes) await this.flush()
    }
  }

  async close(): Promise<void> {
    if (this.closed) return
    await this.flush()
    this.closed = true
  }

  async commit(): Promise<void> {
    await this.close()
    await this.perform(() => this.rename())
  }

  async abort(): Promise<void> {
    // The clock of the wait must not keep the process.
    await Promise.race([this.underWay.catch(() => undefined), sleep(ABORT_GRACE_MS, undefined, { ref: false })])
    this.stop.abort()
    await remove(this.nodes, this.temporary).catch(() => undefined)
  }

  private async flush(): Promise<void> {
    if (this.pendingBytes === 0) return
    const part = Buffer.concat(this.pending)
    this.pending.length = 0
    this.pendingBytes = 0
    await this.perform(() => (this.length === 0 ? this.create(part) : this.append(part)))
  }

  /** Work that the caller's signal leaves, but does not cut off: {@link abort} waits for it. */
  private perform(work: () => Promise<void>): Promise<void> {
    const { signal } = this.options
    throwIfAborted(signal)
    const done = work().catch((error: unknown) => {
      throw isMillraceError(error) ? error.at({ source: this.url }) : error
    })
    this.underWay = done
    if (signal === undefined) return done
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        try {
          throwIfAborted(signal)
        } catch (error) {
          reject(error as Error)
        }
      }
      signal.addEventListener('abort', leave, { once: true })
      done.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
    })
  }

  private async create(part: Uint8Array): Promise<void> {
    // Making it anew is right whatever became of a try before: nobody else has this name. Servers that cannot append take one part.
    const { response } = await this.nodes.data({
      method: 'PUT', op: 'CREATE', path: this.temporary.path, parameters: { overwrite: true }, shown: this.url, signal: this.stop.signal, body: part,
    })
    await response.body?.cancel()
    this.length = part.length
  }

  /** Sends a part; after a failure, what of it has not arrived: data nodes keep what they get in its order. */
  private async append(part: Uint8Array): Promise<void> {
    const start = this.length
    const end = start + part.length
    for (let attempt = 1; this.length < end; attempt++) {
      try {
        const { response } = await this.nodes.dataOnce({
          method: 'POST', op: 'APPEND', path: this.temporary.path, shown: this.url, signal: this.stop.signal, body: part.subarray(this.length - start),
        })
        await response.body?.cancel()
        this.length = end
      } catch (error) {
        if (!mayPass(error) || attempt === TRIES) throw error
        await pauseBefore(attempt, this.stop.signal)
        const { length } = await statusOf(this.nodes, this.temporary, this.stop.signal)
        if (!(length >= this.length && length <= end)) throw this.disturbed(length)
        this.length = length
      }
    }
  }

  private disturbed(length: number): Error {
    return failure({
      tag: 'Storage', code: 'HDFS_OUTPUT_DISTURBED', problem: `the file under its temporary name has ${length} bytes where ${this.length} were written`,
      remedy: 'Write it again; something else wrote to it, or removed blocks.', position: { source: this.url },
    })
  }

  private async rename(): Promise<void> {
    const temporary = await statusOf(this.nodes, this.temporary, this.stop.signal)
    if (temporary.length !== this.length) throw this.disturbed(temporary.length)
    try {
      await this.takeName(this.options.ifExists === 'replace')
    } catch (error) {
      // The answer to a rename may be lost, and the next try finds it done.
      const there = await found(this.nodes, this.place, this.stop.signal)
      if (there !== undefined && temporary.id !== 0 && there.id === temporary.id) return
      if (there?.isFolder === true) throw outputIsFolder(this.url)
      throw isMillraceError(error) && error.code === 'HDFS_FILE_ALREADY_EXISTS' ? alreadyExists(this.url) : error
    }
  }

  private async takeName(overwrite: boolean): Promise<void> {
    const answer = await this.nodes.json({
      method: 'PUT', op: 'RENAME', path: this.temporary.path, shown: this.url, signal: this.stop.signal,
      parameters: { destination: this.place.path, renameoptions: overwrite ? 'OVERWRITE' : 'NONE' },
    })
    // A gateway (HttpFS) knows no options and only says whether it was done.
    if ((answer as { readonly boolean?: unknown } | undefined)?.boolean !== false) return
    if (!overwrite) throw alreadyExists(this.url)
    await remove(this.nodes, this.place)
    await this.takeName(false)
  }
}

/** Removes a file; one that is not there is no error. */
export const remove = async (nodes: NameNodes, place: HdfsPlace): Promise<void> => {
  try {
    await nodes.json({ method: 'DELETE', op: 'DELETE', path: place.path, parameters: { recursive: false }, shown: urlAt(place, place.path) })
  } catch (error) {
    if (!hasTag(error, 'NotFound')) throw error
  }
}
