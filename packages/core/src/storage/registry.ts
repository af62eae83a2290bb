import { failure } from '../errors/index.js'
import { withoutSlips } from '../errors/shown-url.js'
import { gcsStorage } from './gcs/gcs-storage.js'
import { hdfsStorage } from './hdfs/hdfs-storage.js'
import { httpsStorage, httpStorage } from './http-storage.js'
import { localStorage } from './local-storage.js'
import { s3Storage } from './s3/s3-storage.js'
import type { ReadOptions, Storage } from './storage.js'

const ours = [
  localStorage, httpStorage, httpsStorage, s3Storage(), s3Storage({ scheme: 's3a' }), gcsStorage(),
  hdfsStorage(), hdfsStorage({ scheme: 'webhdfs' }), hdfsStorage({ scheme: 'swebhdfs' }),
]
const storages = new Map<string, Storage>(ours.map((storage) => [storage.scheme, storage]))
const builtIn = new Map(storages)

/** Makes a storage known under its scheme; a later one of the same scheme takes its place. Returns a function that undoes it. */
export const registerStorage = (storage: Storage): (() => void) => {
  const before = storages.get(storage.scheme)
  storages.set(storage.scheme, storage)
  return () => {
    if (before === undefined) storages.delete(storage.scheme)
    else storages.set(storage.scheme, before)
  }
}

const scheme = /^([a-z][a-z0-9+.-]+):/i

/** Before the scheme anything, and in a web address: of other storages names may end with blanks. */
const hasSlips = (url: string): boolean =>
  scheme.test(url) ? /^https?:.*(?:[\s"]$|[\u0000-\u001f\u007f])/is.test(url) : /^[^:]+:\/\//.test(url) && /^[a-z][a-z0-9+.-]+:\/\//i.test(withoutSlips(url))

/**
 * The scheme of a URL; `file` for plain paths (a single letter and a colon is a Windows drive).
 *
 * @throws `Usage` BAD_URL for a URL with a blank, a quote or a control character before it, and for a web address with one at its end or a control character in it
 */
export const schemeOf = (url: string): string => {
  if (hasSlips(url)) {
    throw failure({
      tag: 'Usage', code: 'BAD_URL', problem: 'the URL has a blank, a quote or a control character before it, after it or in it',
      remedy: 'Take it out, for instance by trim(): such characters come from files of settings. In a name of a file write it as %20.', position: { source: url },
    })
  }
  return scheme.exec(url)?.[1]?.toLowerCase() ?? 'file'
}

/** The storage of a URL or path. @throws `Usage` that names the known schemes */
export const storageFor = (url: string): Storage => {
  const name = schemeOf(url)
  const found = storages.get(name)
  if (found !== undefined) return found
  throw failure({
    tag: 'Usage',
    code: 'UNKNOWN_SCHEME',
    problem: `nothing here reads "${name}:" URLs`,
    remedy: `Known schemes: ${[...storages.keys()].join(', ')}. Others come with registerStorage.`,
    position: { source: url },
  })
}

/** Whether the storage of a URL is one that is always there, on every thread, and not one that was registered. */
export const isBuiltInStorage = (url: string): boolean => {
  const name = schemeOf(url)
  return storages.get(name) === builtIn.get(name)
}

/** The bytes of a file or URL, in chunks (1 MiB unless told) that belong to the caller. */
export const readBytes = (url: string, options?: ReadOptions): AsyncIterable<Uint8Array> => storageFor(url).read(url, options)
