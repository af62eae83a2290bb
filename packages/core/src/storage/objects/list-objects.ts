import picomatch from 'picomatch'
import { failure, throwIfAborted } from '../../errors/index.js'
import type { FileInfo } from '../storage.js'
import { parseObjectUrl } from './object-url.js'

/** A page of a listing. */
export interface ObjectPage {
  readonly objects: readonly { readonly key: string; readonly size: number }[]
  /** What asks for the next page; `undefined` on the last one. */
  readonly next: string | undefined
}

/** What a page is asked for. */
export interface PageRequest {
  readonly bucket: string
  readonly prefix: string
  /** Whether only keys without a slash after the prefix are wanted. */
  readonly shallow: boolean
  /** The `next` of the page before. */
  readonly from: string | undefined
}

/** Ten million objects: a server whose listing does not end is not followed for ever. */
const MOST_PAGES = 10_000

/** What all keys that match begin with: whole folders, and the letters of a name before its first wildcard. */
const prefixOf = (base: string, rest: string): string => {
  const letters = /^[^*?[\]{}()!+@|\\/]*/.exec(rest)![0]
  // A quantifier or bracket may follow the last letter only after one of the characters above, so that letters are literal.
  return `${base === '' ? '' : `${base}/`}${letters}`
}

/**
 * The objects that a glob matches, sorted by key: pages are asked for under the part of the glob before its first wildcard.
 *
 * @throws `Storage` BAD_LISTING where the server's pages do not go on
 */
export const listObjects = async (glob: string, page: (request: PageRequest) => Promise<ObjectPage>, signal: AbortSignal | undefined): Promise<readonly FileInfo[]> => {
  const root = /^[^:]*:\/\/[^/]*\/?/.exec(glob)![0]
  const { bucket } = parseObjectUrl(root)
  const { base, glob: rest } = picomatch.scan(glob.slice(root.length), { unescape: true })
  const matches = picomatch(rest)
  const skip = base === '' ? 0 : base.length + 1
  const found: FileInfo[] = []
  const prefix = prefixOf(base, rest)
  const shallow = !rest.includes('/') && !rest.includes('**')
  let from: string | undefined
  for (let pages = 1; ; pages++) {
    throwIfAborted(signal)
    const { objects, next } = await page({ bucket, prefix, shallow, from })
    for (const { key, size } of objects) {
      // What ends in a slash stands for a folder.
      if (key.startsWith(prefix) && !key.endsWith('/') && (rest === '' ? key === base : matches(key.slice(skip)))) found.push({ url: `${root.replace(/\/?$/, '/')}${key}`, size })
    }
    if (next === undefined) break
    if (next === from || pages === MOST_PAGES) {
      throw failure({ tag: 'Storage', code: 'BAD_LISTING', problem: `the listing does not end: ${pages} pages so far`, remedy: 'Give a narrower pattern, or name the files.', position: { source: glob } })
    }
    from = next
  }
  return found.sort((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0))
}
