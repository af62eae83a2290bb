import { failure, hasTag, requireOptions, type OptionRules } from '../../errors/index.js'
import { jsonFields } from '../http/small-answer.js'
import { lengthIn, rangeHeader, readRanges } from '../http/read-ranges.js'
import { readStart } from '../http/try-request.js'
import { alreadyExists } from '../local-storage.js'
import { Gate } from '../objects/gate.js'
import { browseObjects, listObjects, type ObjectPage, type PageRequest } from '../objects/list-objects.js'
import { parseFileUrl } from '../objects/object-url.js'
import type { FileInfo, ReadOptions, Storage } from '../storage.js'
import { requireCount } from '../../stream/operators/counts.js'
import { GcsClient, type GcsStorageOptions } from './gcs-client.js'
import { CHUNK_UNIT, GcsOutput, objectPath } from './gcs-output.js'

const MIB = 1 << 20
const DEFAULT_PART_BYTES = 8 * MIB
const DEFAULT_PARALLEL_PARTS = 4
/** A page has a thousand keys of a kilobyte, and little else: it is asked for names, sizes and generations alone. */
const MAX_PAGE_BYTES = 8 * MIB

const rules: OptionRules<GcsStorageOptions> = { scheme: 'text', endpoint: 'text', credentials: 'any', userProject: 'text', partBytes: 'any', parallelParts: 'any', tries: 'any' }

const sizeIn = (fields: Readonly<Record<string, unknown>>, source: string): number => {
  const size = Number(fields['size'] ?? NaN)
  if (Number.isSafeInteger(size) && size >= 0) return size
  throw strange(source)
}

const generationIn = ({ generation }: Readonly<Record<string, unknown>>): string | undefined => (typeof generation === 'string' ? generation : undefined)

const strange = (source: string): Error =>
  failure({ tag: 'Storage', code: 'GCS_STRANGE_ANSWER', problem: 'the answer is none of Google Cloud Storage', remedy: 'Check the endpoint.', position: { source } })

const statGcs = (client: GcsClient, url: string, signal: AbortSignal | undefined): Promise<FileInfo> =>
  client.request({ method: 'GET', path: objectPath(parseFileUrl(url)), query: { fields: 'size,generation' }, source: url, signal }, async (response) => {
    const fields = jsonFields(Buffer.from(await readStart(response)).toString('utf8'))
    return { url, size: sizeIn(fields, url), version: generationIn(fields) }
  })

async function* readGcs(client: GcsClient, url: string, options?: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const path = objectPath(parseFileUrl(url))
  yield* readRanges(
    {
      source: url,
      tries: client.options.tries,
      open: ({ start, end, version, watch, signal }) => {
        const query = { alt: 'media', ...(version === undefined ? {} : { ifGenerationMatch: version }) }
        return client.request({ method: 'GET', path, query, headers: rangeHeader(start, end), source: url, accept: [412, 416], watch, signal }, async (response) => {
          if (response.ok) return response
          await readStart(response)
          if (response.status === 412) throw failure({ tag: 'Storage', code: 'GCS_CHANGED', problem: 'the object was replaced while it was read', remedy: 'Read it again.', position: { source: url, byte: start } })
          // Nothing is left at this place: a reader that resumes after the last byte, as a local file would have it.
          const length = Number.isFinite(lengthIn(response)) ? lengthIn(response) : (await statGcs(client, url, signal)).size
          if (length !== undefined && length <= start) return undefined
          throw strange(url)
        })
      },
      versionOf: (response) => response.headers.get('x-goog-generation') ?? undefined,
    },
    options,
  )
}

/** Objects: list, https://cloud.google.com/storage/docs/json_api/v1/objects/list */
const listPage = (client: GcsClient, source: string, { bucket, prefix, shallow, from }: PageRequest, signal: AbortSignal | undefined): Promise<ObjectPage> => {
  const query = { prefix, fields: 'items(name,size,generation),prefixes,nextPageToken', ...(shallow ? { delimiter: '/' } : {}), ...(from === undefined ? {} : { pageToken: from }) }
  return client.request({ method: 'GET', path: `/storage/v1/b/${bucket}/o`, query, source, signal }, async (response) => {
    const { items = [], prefixes = [], nextPageToken } = jsonFields(Buffer.from(await readStart(response, MAX_PAGE_BYTES)).toString('utf8'))
    if (!Array.isArray(items) || !Array.isArray(prefixes)) throw strange(source)
    const objects = (items as readonly unknown[]).map((item) => {
      const fields = (item ?? {}) as Readonly<Record<string, unknown>>
      if (typeof fields['name'] !== 'string') throw strange(source)
      return { key: fields['name'], size: sizeIn(fields, source), version: generationIn(fields) }
    })
    return { objects, folders: (prefixes as readonly unknown[]).filter((prefix) => typeof prefix === 'string'), next: typeof nextPageToken === 'string' && nextPageToken !== '' ? nextPageToken : undefined }
  })
}

const isThere = (client: GcsClient, url: string, signal: AbortSignal | undefined): Promise<boolean> =>
  statGcs(client, url, signal).then(
    () => true,
    (error: unknown) => {
      if (hasTag(error, 'NotFound')) return false
      throw error
    },
  )

const partBytesOf = (bytes = DEFAULT_PART_BYTES): number => {
  if (Number.isInteger(bytes) && bytes > 0 && bytes % CHUNK_UNIT === 0) return bytes
  throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `partBytes is ${bytes}`, remedy: 'Give a multiple of 256 KiB, as Google Cloud Storage takes them.' })
}

/**
 * Objects of Google Cloud Storage as files: `gs://bucket/key`. Keys are written as they are, not encoded.
 *
 * An output is a resumable upload and appears when it is complete; one whose process dies is forgotten by Google after a week. In
 * memory each file takes up to `partBytes`, and `parallelParts` parts more are on their way over all files. With HMAC keys, which are
 * for S3's protocol, use `s3Storage({ scheme: 'gs', endpoint: 'https://storage.googleapis.com', region: 'auto' })`.
 *
 * @example
 * registerStorage(gcsStorage({ credentials: { keyFile: 'reader.json' } }))
 */
export const gcsStorage = (options: GcsStorageOptions = {}): Storage => {
  requireOptions('gcsStorage', options, rules)
  const client = new GcsClient(options)
  const partBytes = partBytesOf(options.partBytes)
  if (options.tries !== undefined) requireCount(options.tries, 1, 'tries of gcsStorage')
  const gate = new Gate(requireCount(options.parallelParts ?? DEFAULT_PARALLEL_PARTS, 1, 'parallelParts of gcsStorage'))
  return {
    scheme: options.scheme ?? 'gs',
    stat: async (url, signal) => statGcs(client, url, signal),
    read: (url, read) => readGcs(client, url, read),
    list: async (glob, signal) => listObjects(glob, (page) => listPage(client, glob, page, signal), signal),
    browse: async (folder, signal) => browseObjects(folder, (page) => listPage(client, folder, page, signal), signal),
    create: async (url, { ifExists, signal }) => {
      const place = parseFileUrl(url)
      if (ifExists === 'fail' && (await isThere(client, url, signal))) throw alreadyExists(url)
      return new GcsOutput({ client, url, place, ifExists, signal, partBytes, gate })
    },
    remove: async (url) => client.request({ method: 'DELETE', path: objectPath(parseFileUrl(url)), source: url, accept: [404] }, async (response) => void (await readStart(response))),
  }
}
