import { failure, hasTag, requireOptions, type OptionRules } from '../../errors/index.js'
import { lengthIn, rangeHeader, readRanges } from '../http/read-ranges.js'
import { readStart } from '../http/try-request.js'
import { alreadyExists } from '../local-storage.js'
import { Gate } from '../objects/gate.js'
import { browseObjects, listObjects, type ObjectPage, type PageRequest } from '../objects/list-objects.js'
import { parseFileUrl } from '../objects/object-url.js'
import type { FileInfo, ReadOptions, Storage } from '../storage.js'
import { requireCount } from '../../stream/operators/counts.js'
import { S3Client } from './s3-client.js'
import { S3Output } from './s3-output.js'
import type { S3StorageOptions } from './s3-settings.js'
import { childrenOf, parseXml, textOf } from './xml.js'

const MIB = 1 << 20
const DEFAULT_PART_BYTES = 8 * MIB
const LEAST_PART_BYTES = 5 * MIB
const MOST_PART_BYTES = 5 * 1024 * MIB
const DEFAULT_PARALLEL_PARTS = 4
/** A page has a thousand keys of a kilobyte, each byte of which may be written as three. */
const MAX_PAGE_BYTES = 8 * MIB

const rules: OptionRules<S3StorageOptions> = {
  scheme: 'text', endpoint: 'text', region: 'text', credentials: 'any', profile: 'text', pathStyle: 'boolean', partBytes: 'any', parallelParts: 'any', tries: 'any',
}

const statS3 = (client: S3Client, url: string, signal: AbortSignal | undefined): Promise<FileInfo> =>
  client.request({ method: 'HEAD', ...parseFileUrl(url), source: url, signal }, async ({ response }) => {
    const length = response.headers.get('content-length')
    return { url, size: length === null ? undefined : Number(length), version: response.headers.get('etag') ?? undefined }
  })

async function* readS3(client: S3Client, url: string, options?: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const place = parseFileUrl(url)
  yield* readRanges(
    {
      source: url,
      tries: client.options.tries,
      open: ({ start, end, version, watch, signal }) => {
        const headers = { ...rangeHeader(start, end), ...(version === undefined ? {} : { 'if-match': version }) }
        return client.request({ method: 'GET', ...place, source: url, headers, accept: ['InvalidRange', 'PreconditionFailed'], watch, signal }, async ({ response, refused }) => {
          if (refused === undefined) return response
          if (refused === 'PreconditionFailed') throw failure({ tag: 'Storage', code: 'S3_CHANGED', problem: 'the object was replaced while it was read', remedy: 'Read it again.', position: { source: url, byte: start } })
          // Nothing is left at this place: a reader that resumes after the last byte, as a local file would have it.
          const length = Number.isFinite(lengthIn(response)) ? lengthIn(response) : (await statS3(client, url, signal)).size
          if (length !== undefined && length <= start) return undefined
          throw failure({ tag: 'Storage', code: 'S3_INVALID_RANGE', problem: `the server refuses the range from byte ${start} on`, remedy: 'Check that the endpoint is an S3 service.', position: { source: url, byte: start } })
        })
      },
      versionOf: (response) => response.headers.get('etag') ?? undefined,
    },
    options,
  )
}

const strangeListing = (source: string): Error =>
  failure({ tag: 'Storage', code: 'S3_STRANGE_ANSWER', problem: 'the answer is no listing of a bucket', remedy: 'Check that the endpoint is an S3 service.', position: { source } })

/** ListObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
const listPage = (client: S3Client, source: string, { bucket, prefix, shallow, from }: PageRequest, signal: AbortSignal | undefined): Promise<ObjectPage> => {
  // XML has no way to write some characters that keys may have, so that they are asked for as in URLs.
  const query = { 'list-type': '2', 'encoding-type': 'url', prefix, ...(shallow ? { delimiter: '/' } : {}), ...(from === undefined ? {} : { 'continuation-token': from }) }
  return client.request({ method: 'GET', bucket, source, query, signal }, async ({ response }) => {
    const root = parseXml(Buffer.from(await readStart(response, MAX_PAGE_BYTES)).toString('utf8').trim())
    if (root?.name !== 'ListBucketResult') throw strangeListing(source)
    const encoded = textOf(root, 'EncodingType') === 'url'
    const objects = childrenOf(root, 'Contents').map((entry) => {
      const key = textOf(entry, 'Key')
      const size = Number(textOf(entry, 'Size') ?? NaN)
      if (key === undefined || !Number.isSafeInteger(size) || size < 0) throw strangeListing(source)
      return { key: encoded ? decodeKey(key, source) : key, size, version: textOf(entry, 'ETag') }
    })
    const folders = childrenOf(root, 'CommonPrefixes').map((entry) => {
      const prefix = textOf(entry, 'Prefix')
      if (prefix === undefined) throw strangeListing(source)
      return encoded ? decodeKey(prefix, source) : prefix
    })
    const isCut = textOf(root, 'IsTruncated') === 'true'
    const next = isCut ? textOf(root, 'NextContinuationToken') : undefined
    if (isCut && next === undefined) throw strangeListing(source)
    return { objects, folders, next }
  })
}

const decodeKey = (key: string, source: string): string => {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    throw strangeListing(source)
  }
}

const isThere = (client: S3Client, url: string, signal: AbortSignal | undefined): Promise<boolean> =>
  statS3(client, url, signal).then(
    () => true,
    (error: unknown) => {
      if (hasTag(error, 'NotFound') && error.code === 'S3_NO_SUCH_KEY') return false
      throw error
    },
  )

const partBytesOf = (bytes = DEFAULT_PART_BYTES): number => {
  if (Number.isInteger(bytes) && bytes >= LEAST_PART_BYTES && bytes <= MOST_PART_BYTES) return bytes
  throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `partBytes is ${bytes}`, remedy: 'Give a whole number from 5 MiB to 5 GiB, as S3 takes them.' })
}

/**
 * Objects of S3 and of services that are compatible with it, as files: `s3://bucket/key`. Keys are written as they are, not encoded.
 *
 * An output appears when it is complete: small ones by one request, others by a multi-part upload. In memory each file takes up to
 * `partBytes`, and `parallelParts` parts more are on their way over all files. An upload whose process dies leaves parts that nobody
 * sees and the bucket's owner pays: a rule `AbortIncompleteMultipartUpload` of the bucket removes them.
 *
 * @example
 * registerStorage(s3Storage({ scheme: 'minio', endpoint: 'https://minio.example:9000', credentials: { accessKeyId, secretAccessKey } }))
 */
export const s3Storage = (options: S3StorageOptions = {}): Storage => {
  requireOptions('s3Storage', options, rules)
  const client = new S3Client(options)
  const partBytes = partBytesOf(options.partBytes)
  if (options.tries !== undefined) requireCount(options.tries, 1, 'tries of s3Storage')
  const gate = new Gate(requireCount(options.parallelParts ?? DEFAULT_PARALLEL_PARTS, 1, 'parallelParts of s3Storage'))
  return {
    scheme: options.scheme ?? 's3',
    stat: async (url, signal) => statS3(client, url, signal),
    read: (url, read) => readS3(client, url, read),
    list: async (glob, signal) => listObjects(glob, (page) => listPage(client, glob, page, signal), signal),
    browse: async (folder, signal) => browseObjects(folder, (page) => listPage(client, folder, page, signal), signal),
    create: async (url, { ifExists, signal }) => {
      const place = parseFileUrl(url)
      if (ifExists === 'fail' && (await isThere(client, url, signal))) throw alreadyExists(url)
      return new S3Output({ client, url, place, ifExists, signal, partBytes, gate })
    },
    remove: async (url) => client.request({ method: 'DELETE', ...parseFileUrl(url), source: url, accept: ['NoSuchKey', 'NotFound'] }, async () => undefined),
  }
}
