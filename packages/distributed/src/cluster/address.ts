import { failure, type MillraceError } from '@millrace/core'

/**
 * What is wrong with the network address of a task, or undefined. TensorFlow wants `host:port` without a scheme
 * (`ValidateHostPortPair` in tensorflow/core/distributed_runtime/rpc/grpc_channel.cc), and would find out when the first
 * server starts; the host is a name, an IPv4 address or a bracketed IPv6 address.
 */
const faultOf = (address: string): { readonly problem: string; readonly remedy: string } | undefined => {
  const remedy = 'Write host:port, for example ps0.example.com:2222 or [2001:db8::1]:2222.'
  if (address === '') return { problem: 'is empty', remedy }
  if (/\s/.test(address)) return { problem: 'contains white space', remedy }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(address)) return { problem: 'has a scheme, which TensorFlow adds itself', remedy }
  if (address.includes('/')) return { problem: 'contains a slash', remedy }
  const [, host, port] = /^(\[[^\]]*\]|[^[\]]*):([^:\]]*)$/.exec(address) ?? []
  if (host === undefined || port === undefined) return { problem: 'has no port', remedy }
  if (host === '' || host === '[]') return { problem: 'has no host', remedy }
  if (host.includes(':') && !host.startsWith('[')) return { problem: 'is an IPv6 address without brackets', remedy }
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    return { problem: `has the port "${port}", which is not a number from 1 to 65535`, remedy }
  }
  return undefined
}

/** The error of a cluster that does not make sense; `place` is a path such as `cluster.worker[1]`. */
export const clusterFailure = (code: string, place: string, problem: string, remedy: string, source?: string): MillraceError =>
  failure({ tag: 'Usage', code, problem: `${place} ${problem}`, remedy, position: { source } })

/** Throws `CLUSTER_ADDRESS` unless `address` is text of the form `host:port`. */
export const checkAddress = (address: unknown, place: string, source?: string): string => {
  if (typeof address !== 'string') {
    const shown = JSON.stringify(address) ?? String(address)
    throw clusterFailure('CLUSTER_ADDRESS', place, `is ${shown}, not the address of a task`, 'Write host:port as text.', source)
  }
  const fault = faultOf(address)
  if (fault === undefined) return address
  throw clusterFailure('CLUSTER_ADDRESS', place, `is "${address}", which ${fault.problem}`, fault.remedy, source)
}
