import type { Dispatcher } from 'undici'
import { failure, loadPeer, throwIfAborted, type MillraceError } from '../../errors/index.js'
import { hasProxy, proxyFor } from './proxy-for.js'
import { TryAgain, worthRetrying } from './try-request.js'

const GLOBAL_DISPATCHER = Symbol.for('undici.globalDispatcher.1')

type Undici = typeof import('undici')

/** Whether Node's own `fetch` goes by way of a proxy already: Node 24 and 22.21 do when told, and programs may have set a dispatcher for all of Node. */
const isNodesWork = (): boolean => {
  const isTold = process.env['NODE_USE_ENV_PROXY'] === '1' || [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((flags) => flags.includes('--use-env-proxy'))
  if (isTold && process.allowedNodeEnvironmentFlags.has('--use-env-proxy')) return true
  const dispatcher = (globalThis as { readonly [name: symbol]: unknown })[GLOBAL_DISPATCHER]
  return typeof dispatcher === 'object' && dispatcher !== null && dispatcher.constructor.name !== 'Agent'
}

const requireProxy = (proxy: string): string => {
  const { protocol } = URL.canParse(proxy) ? new URL(proxy) : { protocol: 'no URL' }
  if (protocol === 'http:' || protocol === 'https:') return proxy
  throw failure({ tag: 'Usage', code: 'BAD_PROXY', problem: `HTTP_PROXY or HTTPS_PROXY is ${protocol === 'no URL' ? protocol : `of the kind ${protocol}`}`, remedy: 'Write it as http://host:port or https://host:port.' })
}

/** Connections to proxies, and to servers that redirects lead to and that are asked directly. */
let known: Dispatcher | undefined

/** Sends each request on its way, those after a redirect too. */
const dispatcherOf = ({ Agent, Dispatcher: Base, ProxyAgent }: Undici): Dispatcher => {
  const ways = new Map<string | undefined, Dispatcher>()
  // Plain requests are sent to the proxy whole, as curl does: many allow no tunnels to port 80.
  const make = (proxy: string | undefined): Dispatcher => (proxy === undefined ? new Agent() : new ProxyAgent({ uri: requireProxy(proxy), proxyTunnel: false }))
  class ByOrigin extends Base {
    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      const proxy = proxyFor(new URL(options.origin!))
      const way = ways.get(proxy) ?? make(proxy)
      ways.set(proxy, way)
      return way.dispatch(options, handler)
    }
  }
  return new ByOrigin()
}

const refused = (status: number): MillraceError =>
  failure({
    tag: 'Storage', code: 'PROXY_REFUSED', problem: `the proxy of HTTP_PROXY or HTTPS_PROXY refuses the request (status ${status})`,
    remedy: status === 407 ? 'Give it user and password: HTTPS_PROXY=http://user:password@host:port.' : 'Ask who runs it, or name the host in NO_PROXY.',
  })

/** What the proxy says to a request for a tunnel; a status of 407 is an error of `fetch` whatever it answers. */
const proxyError = (error: unknown): unknown => {
  let under = error
  let said: RegExpExecArray | null = null
  while (said === null && under instanceof Error) {
    said = /^Proxy .*\((\d{3})\)/.exec(under.message)
    under = under.cause
  }
  if (said === null) return error
  const status = Number(said[1])
  const problem = refused(status)
  return worthRetrying(status) ? new TryAgain(problem) : problem
}

/**
 * `fetch`, by way of the proxy that the environment names for the server, if it does: see {@link proxyFor}. That takes the package undici, whose
 * `fetch` is Node's own.
 *
 * @throws as `fetch` does; `MissingPeer` without undici; `Storage` PROXY_REFUSED; `Usage` BAD_PROXY
 */
export const fetchByProxy = async (url: string | URL, init: RequestInit): Promise<Response> => {
  const proxy = proxyFor(new URL(url))
  // A redirect may lead from a server that is asked directly to one that is not.
  const mayLead = init.redirect !== 'manual' && hasProxy()
  if ((proxy === undefined && !mayLead) || isNodesWork()) return fetch(url, init)
  const load = (): Promise<Undici> => import('undici')
  const undici = proxy === undefined ? await load().catch(() => undefined) : await loadPeer('undici', 'A request by way of the proxy of HTTP_PROXY or HTTPS_PROXY', load)
  if (undici === undefined) return fetch(url, init)
  if (proxy !== undefined) requireProxy(proxy)
  throwIfAborted(init.signal ?? undefined)
  known ??= dispatcherOf(undici)
  return (await undici.fetch(url, { ...init, dispatcher: known } as Parameters<Undici['fetch']>[1]).catch((error: unknown) => {
    throw proxyError(error)
  })) as unknown as Response
}
