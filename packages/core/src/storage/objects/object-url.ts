import { failure } from '../../errors/index.js'

/** Where an object is. */
export interface ObjectPlace {
  readonly bucket: string
  /** As it is, not encoded; empty for the bucket itself. */
  readonly key: string
}

const usage = (code: string, problem: string, remedy: string, source: string): Error => failure({ tag: 'Usage', code, problem, remedy, position: { source } })

/**
 * What `s3://bucket/key` names. Nothing in a key is encoded: `a b+c%20d` is these characters, as for the clients of the clouds.
 *
 * @throws `Usage` for what is no such URL, and for keys that HTTP's clients change
 */
export const parseObjectUrl = (url: string): ObjectPlace => {
  const match = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)(?:\/(.*))?$/is.exec(url)
  const bucket = match?.[1] ?? ''
  if (bucket.includes('@')) throw usage('CREDENTIALS_IN_URL', 'the URL holds something before an @, which looks like credentials', 'Give credentials by the environment or by options, not in URLs.', url.replace(/\/\/[^/]*@/, '//…@'))
  if (match === null || !/^[A-Za-z0-9][\w.-]*$/.test(bucket)) throw usage('BAD_OBJECT_URL', 'the URL names no bucket', 'Write it as scheme://bucket/key.', url)
  const key = match[2] ?? ''
  if (/(^|\/)\.{1,2}(\/|$)/.test(key)) throw usage('BAD_OBJECT_URL', 'a part of the key is . or .., which HTTP takes for a folder', 'Copy the object to another key.', url)
  return { bucket, key }
}

/** As {@link parseObjectUrl}, of an object: a bucket, or what ends as folders do, is none. @throws `Storage` EISDIR */
export const parseFileUrl = (url: string): ObjectPlace => {
  const place = parseObjectUrl(url)
  if (place.key !== '' && !place.key.endsWith('/')) return place
  throw failure({ tag: 'Storage', code: 'EISDIR', problem: 'the path is a folder', remedy: 'Name a file, or a glob of the files in it.', position: { source: url } })
}
