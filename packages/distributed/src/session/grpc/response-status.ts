import { errorCode } from './http2/error-code.js'
import type { Headers } from './http2/hpack-decoder.js'

/** gRPC's status codes that its transport knows; TensorFlow's are the same numbers. */
export const code = {
  ok: 0, cancelled: 1, unknown: 2, permissionDenied: 7, resourceExhausted: 8, unimplemented: 12, internal: 13, unavailable: 14, unauthenticated: 16,
} as const

/** A status as it came. */
export interface ResponseStatus {
  readonly code: number
  readonly message: string
}

/** What proxies answer (`doc/http-grpc-status-mapping.md` of gRPC). */
const ofHttp: { readonly [status: number]: number } = {
  400: code.internal, 401: code.unauthenticated, 403: code.permissionDenied, 404: code.unimplemented, 429: code.unavailable, 502: code.unavailable, 503: code.unavailable, 504: code.unavailable,
}

/** Why a server that lives ends a stream (`doc/PROTOCOL-HTTP2.md` of gRPC). */
const ofReset: { readonly [reset: number]: number } = {
  [errorCode.refusedStream]: code.unavailable,
  [errorCode.cancel]: code.cancelled,
  [errorCode.enhanceYourCalm]: code.resourceExhausted,
  [errorCode.inadequateSecurity]: code.permissionDenied,
}

/** The status of a stream that the server has reset. */
export const resetStatus = (reset: number): ResponseStatus => ({ code: ofReset[reset] ?? code.internal, message: `the server reset the call (HTTP/2 error ${reset})` })

/** The status of an answer that is not gRPC's. `undefined` for one that may be. */
export const httpStatus = (headers: Headers): ResponseStatus | undefined => {
  const status = headers.get(':status')
  const type = headers.get('content-type')
  if (status === '200' && type?.startsWith('application/grpc') === true) return undefined
  const known = status === undefined ? undefined : ofHttp[Number(status)]
  const told = status === '200' ? `content of type ${String(type).slice(0, 100)}` : `HTTP status ${String(status).slice(0, 100)}`
  return { code: known ?? code.unknown, message: `${told} is no answer of a gRPC server` }
}

const escaped = /(?:%[0-9a-f]{2})+/gi

/** UTF-8 in percent signs; what is none stays as it is. */
export const decodeMessage = (text: string): string =>
  text.replace(escaped, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString('utf8'))

/** `grpc-status` and `grpc-message` of headers or trailers. `undefined` when there is no status in them. */
export const grpcStatus = (headers: Headers): ResponseStatus | undefined => {
  const status = headers.get('grpc-status')
  if (status === undefined || !/^\d{1,3}$/.test(status)) return undefined
  return { code: Number(status), message: decodeMessage(headers.get('grpc-message') ?? '') }
}
