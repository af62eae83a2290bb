import { setTimeout as sleep } from 'node:timers/promises'
import { failure, hasTag, isMillraceError, throwIfAborted, type MillraceError } from '../../errors/index.js'
import { IdleWatch } from '../http/idle-watch.js'
import { identify, kerberosHeader, type HdfsIdentity } from './credentials.js'
import { encodePath } from './hdfs-url.js'
import type { NameNodeAddresses } from './name-node-addresses.js'
import { isPassing, isStandby } from './remote-exception.js'
import { boundedText, refusalOf, send, type Refusal } from './web-request.js'

/** Rounds through the name nodes for one request: with the pauses some 25 s, in which another one becomes active. */
const ROUNDS = 9
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** A single name node that refuses connections is a wrong address more often than one that starts. */
const ROUNDS_UNREACHABLE = 4
/** A listing of a folder without pages: some 300 bytes for each of 200,000 files. */
const MAX_JSON_BYTES = 64 * 1024 * 1024

/** One operation of WebHDFS. */
export interface Operation {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly op: string
  readonly path: string
  readonly parameters?: Readonly<Record<string, string | number | boolean>>
  /** The URL that errors name. */
  readonly shown: string
  readonly signal?: AbortSignal | undefined
  /** Bytes for the data node. Not sent to a name node. */
  readonly body?: Uint8Array | undefined
}

/** An answer with what is needed to read its body. */
export interface Answer {
  readonly response: Response
  readonly watch: IdleWatch
}

/** The pause before a further try: twice as long each time. */
export const pauseBefore = async (attempt: number, signal: AbortSignal | undefined): Promise<void> => {
  await sleep(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)), undefined, { signal }).catch(() => undefined)
  throwIfAborted(signal)
}

/** Whether an error may go by itself, so that the caller may try again. */
export const mayPass = (error: unknown): boolean => isMillraceError(error) && passingErrors.has(error)

const passingErrors = new WeakSet<MillraceError>()
const passes = (error: MillraceError): MillraceError => {
  passingErrors.add(error)
  return error
}

const worthRetrying = ({ status, exception }: Refusal): boolean =>
  exception === undefined ? status === 408 || status === 429 || status >= 500 : isStandby(exception) || isPassing(exception)

/**
 * The name nodes of one file system. Requests go to the one that answered last; where it is on standby or gone, to the others in turn,
 * a bounded number of times.
 */
export class NameNodes {
  private current = 0
  private identity: Promise<Readonly<Record<string, string>>> | undefined
  /** Of name nodes that asked for Kerberos: what spares the next request a ticket. */
  private readonly cookies = new Map<string, string>()

  constructor(
    private readonly addresses: NameNodeAddresses,
    private readonly who: HdfsIdentity,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  /** Performs an operation that answers with JSON, or with nothing. */
  async json(operation: Operation): Promise<unknown> {
    return this.retrying(operation, async (origin) => {
      const { response, watch } = await this.ask(origin, operation)
      const text = await boundedText(response, MAX_JSON_BYTES, watch, operation.shown)
      if (text.trim() === '') return undefined
      try {
        return JSON.parse(text) as unknown
      } catch {
        throw failure({ tag: 'Storage', code: 'HDFS_BAD_ANSWER', problem: 'the server answered with something else than JSON', remedy: 'Check that this is the web port of a name node.', position: { source: operation.shown } })
      }
    })
  }

  /** Performs an operation on data, which a data node answers. A failure there begins at the name node again. */
  async data(operation: Operation): Promise<Answer> {
    return this.retrying(operation, (origin) => this.askData(origin, operation))
  }

  /** As {@link data}, tried once: what a data node has done of a failed operation must be found out first. */
  async dataOnce(operation: Operation): Promise<Answer> {
    const { origins } = this.addresses
    const index = this.current
    try {
      return await this.askData(origins[index]!, operation)
    } catch (error) {
      if (mayPass(error) && this.current === index) this.current = (index + 1) % origins.length
      throw error
    }
  }

  private async retrying<A>(operation: Operation, perform: (origin: string) => Promise<A>): Promise<A> {
    const { origins } = this.addresses
    for (let round = 1; ; round++) {
      let problem: unknown
      for (let tried = 0; tried < origins.length; tried++) {
        const index = this.current
        try {
          return await perform(origins[index]!)
        } catch (error) {
          throwIfAborted(operation.signal)
          if (!mayPass(error)) throw error
          // What an active one says weighs more than that another is on standby.
          problem = problem === undefined || !isStandbyError(error) ? error : problem
          // Another request may have found the active one meanwhile.
          if (this.current === index) this.current = (index + 1) % origins.length
        }
      }
      const isGone = origins.length === 1 && hasTag(problem, 'Storage') && problem.code === 'HDFS_UNREACHABLE'
      if (round >= (isGone ? ROUNDS_UNREACHABLE : ROUNDS)) throw problem
      await pauseBefore(round, operation.signal)
    }
  }

  private async target(origin: string, { op, path, parameters = {} }: Operation): Promise<URL> {
    this.identity ??= identify(this.who, [...this.addresses.origins.map((one) => one.replace(/^https?:\/\//, '')), ...this.addresses.services], this.environment)
    const identity = await this.identity
    const url = new URL(`${origin}/webhdfs/v1${encodePath(path)}`)
    for (const [name, value] of Object.entries({ op, ...parameters, ...identity })) url.searchParams.append(name, String(value))
    return url
  }

  /** One request to one name node, with a ticket where it wants one. Gives answers below 400. */
  private async ask(origin: string, operation: Operation): Promise<Answer> {
    const { method, shown, signal } = operation
    const target = await this.target(origin, operation)
    const headers = this.headersFor(origin)
    const watch = new IdleWatch(signal)
    // With Kerberos the ticket says who it is, and another name beside it is refused.
    if (this.cookies.has(origin)) target.searchParams.delete('user.name')
    let response = await send(target, { method, headers, watch, shown, signal }).catch(rethrowPassing)
    if (response.status === 401 && /^\s*negotiate/i.test(response.headers.get('www-authenticate') ?? '')) {
      await response.body?.cancel()
      target.searchParams.delete('user.name')
      const authorization = await kerberosHeader(new URL(origin).hostname, shown)
      response = await send(target, { method, headers: { authorization }, watch, shown, signal }).catch(rethrowPassing)
      this.keepCookie(origin, response)
    }
    if (response.status < 400) return { response, watch }
    throw await refused(response, watch, shown)
  }

  private headersFor(origin: string): Record<string, string> {
    const cookie = this.cookies.get(origin)
    return cookie === undefined ? {} : { cookie }
  }

  private keepCookie(origin: string, response: Response): void {
    const cookie = response.headers.getSetCookie().map((one) => one.split(';')[0]!).find((one) => one.startsWith('hadoop.auth='))
    if (cookie !== undefined) this.cookies.set(origin, cookie)
  }

  private async askData(origin: string, operation: Operation): Promise<Answer> {
    const answer = await this.ask(origin, operation)
    const { method, body, shown, signal } = operation
    const { status } = answer.response
    // A gateway (HttpFS) serves a file's bytes itself.
    if (status === 200 && body === undefined) return answer
    await answer.response.body?.cancel()
    const target = redirectOf(answer.response, origin, shown)
    const watch = new IdleWatch(signal)
    // Nothing of ours goes along to another host but what the name node put into the URL.
    const headers = { ...(target.origin === origin ? this.headersFor(origin) : {}), ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }) }
    const response = await send(target, { method, headers, body, watch, shown, signal }).catch(rethrowPassing)
    if (response.status >= 200 && response.status < 300) return { response, watch }
    if (response.status < 400) {
      await response.body?.cancel()
      throw failure({ tag: 'Storage', code: 'HDFS_REDIRECTS', problem: 'the server to which the name node sent us sends us on', remedy: 'Check the addresses of the data nodes, and proxies in between.', position: { source: shown } })
    }
    throw await refused(response, watch, shown)
  }
}

const isStandbyError = (error: unknown): boolean => isMillraceError(error) && error.code === 'HDFS_STANDBY'

const rethrowPassing = (error: unknown): never => {
  if (isMillraceError(error) && error.code === 'HDFS_UNREACHABLE') throw passes(error)
  throw error
}

const refused = async (response: Response, watch: IdleWatch, shown: string): Promise<MillraceError> => {
  const refusal = await refusalOf(response, watch, shown)
  return worthRetrying(refusal) ? passes(refusal.error) : refusal.error
}

/** Where a name node sends us: to http(s), and not from an encrypted connection to one that is not, since a token may be in the URL. */
const redirectOf = (response: Response, origin: string, shown: string): URL => {
  const bad = (problem: string): Error =>
    failure({ tag: 'Storage', code: 'HDFS_BAD_REDIRECT', problem, remedy: 'Check that this is the web port of a name node.', position: { source: shown } })
  const location = response.headers.get('location')
  if (response.status < 300 || location === null) throw bad(`the name node names no data node (status ${response.status})`)
  const target = URL.canParse(location, origin) ? new URL(location, origin) : undefined
  if (target === undefined || (target.protocol !== 'http:' && target.protocol !== 'https:')) throw bad('the name node sends us to something else than http(s)')
  if (origin.startsWith('https:') && target.protocol !== 'https:') throw bad('the name node sends us from https to http, where all could be read by others')
  return target
}
