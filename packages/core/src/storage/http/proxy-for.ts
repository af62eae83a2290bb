import { BlockList, isIP } from 'node:net'

/** Hosts that no proxy reaches: this machine, and the metadata servers of clouds, which answer to their own machines alone. */
const NEAR = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\]|169\.254(\.\d+){2}|\[fe80:.*\]|\[fd00:ec2::[0-9a-f]+\]|metadata\.google\.internal)$/i

const PORTS: { readonly [protocol: string]: string } = { 'http:': '80', 'https:': '443' }

const isWithin = (host: string, [address = '', bits = '']: readonly string[]): boolean => {
  const family = isIP(address)
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) return false
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  const range = new BlockList()
  range.addSubnet(address, Number(bits), kind)
  return range.check(host, kind)
}

/** `host`, `.host`, `*.host`, each with its own hosts below; `host:port`; addresses and ranges of them; `*`. */
const isNamed = ({ hostname, port, protocol }: URL, entry: string): boolean => {
  if (entry === '*') return true
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const range = entry.split('/')
  if (range.length === 2) return isWithin(host, range)
  const [, name, only] = /^(?:\*?\.)?(.*?)(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry)!
  const wanted = name!.replace(/^\[|\]$/g, '').toLowerCase()
  if (only !== undefined && only !== (port === '' ? PORTS[protocol] : port)) return false
  return wanted !== '' && (host === wanted || host.endsWith(`.${wanted}`))
}

const valueIn = (env: NodeJS.ProcessEnv, name: string): string => (env[name.toLowerCase()] ?? env[name] ?? '').trim()

/** Whether the environment names a proxy at all. */
export const hasProxy = (env: NodeJS.ProcessEnv = process.env): boolean => valueIn(env, 'HTTPS_PROXY') !== '' || valueIn(env, 'HTTP_PROXY') !== ''

/**
 * The proxy by way of which the environment wants a server to be asked: `HTTPS_PROXY` of https, `HTTP_PROXY` of http, unless `NO_PROXY` names the
 * server, or it is this machine or a cloud's metadata server. Names in lower case win. As curl and Go have it.
 */
export const proxyFor = (url: URL, env: NodeJS.ProcessEnv = process.env): string | undefined => {
  const proxy = valueIn(env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY')
  if (proxy === '' || NEAR.test(url.hostname)) return undefined
  const entries = valueIn(env, 'NO_PROXY').split(/[,\s]+/).filter((entry) => entry !== '')
  if (entries.some((entry) => isNamed(url, entry))) return undefined
  return proxy.includes('://') ? proxy : `http://${proxy}`
}
