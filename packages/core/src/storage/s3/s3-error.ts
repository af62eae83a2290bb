import { failure, type MillraceError } from '../../errors/index.js'
import { readStart } from '../http/try-request.js'
import { parseXml, textOf, type XmlElement } from './xml.js'

/** What an answer of S3 says is wrong. */
export interface S3Problem {
  readonly status: number
  /** S3's code: `NoSuchKey`; of an answer without a body (HEAD), what its status stands for. */
  readonly code: string
  /** The region that the request should have named. */
  readonly region: string | undefined
}

const codeOf: Record<number, string> = { 301: 'PermanentRedirect', 304: 'NotModified', 307: 'TemporaryRedirect', 403: 'AccessDenied', 404: 'NotFound', 409: 'Conflict', 412: 'PreconditionFailed', 416: 'InvalidRange', 429: 'SlowDown', 503: 'SlowDown' }

/** What an element `Error` says. Only its code is passed on: messages may repeat what was sent. */
export const problemIn = (root: XmlElement | undefined, status: number): { readonly code: string | undefined; readonly region: string | undefined } => {
  const code = root?.name === 'Error' ? textOf(root, 'Code') : undefined
  return { code: code !== undefined && /^[A-Za-z0-9.]{1,64}$/.test(code) ? code : codeOf[status], region: textOf(root, 'Region') }
}

/** Reads what is wrong from an answer that is no success, and no more of it than that. */
export const s3Problem = async (response: Response): Promise<S3Problem> => {
  const { status } = response
  const root = parseXml(Buffer.from(await readStart(response)).toString('utf8'))
  const { code, region } = problemIn(root, status)
  return { status, code: code ?? 'Unknown', region: response.headers.get('x-amz-bucket-region') ?? region }
}

/** Codes besides those of overload under which a request may be sent again as it is. */
const passing = new Set(['InternalError', 'SlowDown', 'ServiceUnavailable', 'RequestTimeout', 'OperationAborted', 'BadDigest', 'XAmzContentSHA256Mismatch', 'ConditionalRequestConflict'])

/** Whether the same request may fare better. */
export const isPassing = ({ status, code }: S3Problem): boolean => passing.has(code) || status === 408 || status === 429 || (status >= 500 && status !== 501)

const remedyFor = ({ status, code }: S3Problem, credentials: string): string => {
  if (code === 'SignatureDoesNotMatch') return `Check the secret key: the request was signed with ${credentials}.`
  if (code === 'RequestTimeTooSkewed') return 'Set the clock of this machine.'
  if (status === 401 || status === 403 || /Token|AccessKeyId|User/.test(code)) return `Check what is allowed to ${credentials}, with which it was asked; where ListBucket is not, a key that is not there is refused too.`
  if (status === 301 || status === 307 || code === 'AuthorizationHeaderMalformed') return 'Name the region of the bucket (AWS_REGION) or its endpoint (AWS_ENDPOINT_URL_S3).'
  if (status >= 500 || status === 429) return 'Try again later.'
  return 'Check the URL, the endpoint and the region.'
}

/** `NoSuchKey` as our codes are written: `S3_NO_SUCH_KEY`. */
const ours = (code: string): string => `S3_${code.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/\W/g, '_').toUpperCase()}`

/** Codes of an object that is not there: other things may lack too, with status 404. */
const missing = new Set(['NoSuchKey', 'NotFound', 'NoSuchVersion'])

/** The error for what S3 says. @param credentials - where those of the request were found */
export const s3Error = (problem: S3Problem, source: string, credentials: string): MillraceError => {
  const { status, code } = problem
  const position = { source }
  if (code === 'NoSuchBucket') return failure({ tag: 'NotFound', code: 'S3_NO_SUCH_BUCKET', problem: 'there is no such bucket (status 404, NoSuchBucket)', remedy: 'Check the name of the bucket, and the endpoint.', position })
  if (missing.has(code)) return failure({ tag: 'NotFound', code: 'S3_NO_SUCH_KEY', problem: `there is no such object (status ${status}, ${code})`, remedy: 'Check the key.', position })
  return failure({ tag: 'Storage', code: ours(code), problem: `S3 answered with status ${status} (${code})`, remedy: remedyFor(problem, credentials), position })
}
