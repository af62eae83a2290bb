import { failure, throwIfAborted, type MillraceError } from '../../errors/index.js'
import type { IdleWatch } from '../http/idle-watch.js'
import { parseRemoteException, remoteError, type RemoteException } from './remote-exception.js'
import { sendData } from './send-data.js'

/** An exception with the longest stack trace. */
const MAX_EXCEPTION_BYTES = 256 * 1024

/** The server could not be reached, or the connection was cut. */
export const unreachable = (url: string, cause: unknown, byte?: number): MillraceError =>
  failure({
    tag: 'Storage', code: 'HDFS_UNREACHABLE', problem: `a name node or data node could not be reached${reasonOf(cause)}`,
    remedy: 'Check the address, the network, and whether HADOOP_CONF_DIR tells the name nodes.', position: { source: url, byte },
  })

/** The system's word for it: the whole cause of a failed request may hold its URL, and with it a token. */
const reasonOf = (cause: unknown): string => {
  const inner = (cause as { readonly cause?: { readonly code?: unknown } } | null)?.cause?.code ?? (cause as { readonly code?: unknown } | null)?.code
  return typeof inner === 'string' ? ` (${inner})` : ''
}

/** An answer with an exception, or with a status that none explains. */
export interface Refusal {
  readonly status: number
  readonly exception: RemoteException | undefined
  readonly error: MillraceError
}

/** Waits for the server as long as the watch allows. @param sending - bytes that have to be sent before an answer can come */
export const during = async <A>(watch: IdleWatch, work: Promise<A>, sending = 0): Promise<A> => {
  watch.touch(sending)
  try {
    return await work
  } finally {
    watch.rest()
  }
}

/** The text of a body that is not to be large. @throws `Limit` HDFS_ANSWER_TOO_LARGE */
export const boundedText = async (response: Response, limitBytes: number, watch: IdleWatch, url: string): Promise<string> => {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const chunks: Uint8Array[] = []
  let total = 0
  try {
    for (;;) {
      const { done, value } = await during(watch, reader.read())
      if (done) return Buffer.concat(chunks).toString('utf8')
      total += value.length
      if (total > limitBytes) {
        throw failure({ tag: 'Limit', code: 'HDFS_ANSWER_TOO_LARGE', problem: `the name node's answer has more than ${limitBytes} bytes`, remedy: 'Is this HDFS? Folders with millions of files are better split.', position: { source: url } })
      }
      chunks.push(value)
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/** What is sent. */
export interface WebRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
  readonly watch: IdleWatch
  /** The URL that errors name. */
  readonly shown: string
  readonly signal: AbortSignal | undefined
}

/** One request, whose redirect is not followed. @throws `Storage` HDFS_UNREACHABLE, `Aborted` */
export const send = async (target: URL, { method, headers, body, watch, shown, signal }: WebRequest): Promise<Response> => {
  try {
    throwIfAborted(signal)
    if (body !== undefined) return await during(watch, sendData(target, { method, headers, body, signal: watch.signal }), body.length)
    return await during(watch, fetch(target, { method, headers, redirect: 'manual', signal: watch.signal }))
  } catch (error) {
    throwIfAborted(signal)
    throw unreachable(shown, error)
  }
}

/** What an answer of status 400 and above says. */
export const refusalOf = async (response: Response, watch: IdleWatch, url: string): Promise<Refusal> => {
  const exception = parseRemoteException(await boundedText(response, MAX_EXCEPTION_BYTES, watch, url).catch(() => ''))
  const { status } = response
  if (exception !== undefined) return { status, exception, error: remoteError(exception, url) }
  const remedy = status === 401 || status === 403 ? 'Check the Kerberos ticket, the delegation token or HADOOP_USER_NAME.' : 'Check that this is the web port of a name node (9870), with WebHDFS switched on.'
  return { status, exception, error: failure({ tag: status === 404 ? 'NotFound' : 'Storage', code: `HDFS_STATUS_${status}`, problem: `the server answered with status ${status}`, remedy, position: { source: url } }) }
}
