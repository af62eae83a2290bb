import picomatch from 'picomatch'
import { failure, throwIfAborted } from '../../errors/index.js'
import type { FileInfo, FolderEntries } from '../storage.js'
import { parseObjectUrl } from './object-url.js'
import { nameMatcher } from '../name-matcher.js'

/** A page of a listing. */
export interface ObjectPage {
  readonly objects: readonly { readonly key: string; readonly size: number; readonly version: string | undefined }[]
  /** Of a shallow listing, what keys with a slash after the prefix begin with, up to that slash. */
  readonly folders: readonly string[]
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

const endless = (source: string, pages: number): Error =>
  failure({ tag: 'Storage', code: 'BAD_LISTING', problem: `the listing does not end: ${pages} pages so far${pages < MOST_PAGES ? ', of which the last one leads to an earlier one' : ''}`, remedy: 'Give a narrower pattern, or name the files.', position: { source } })

/** Asks for pages. */
export type AskPage = (request: PageRequest) => Promise<ObjectPage>

/** All pages of a listing. @throws `Storage` BAD_LISTING where they do not go on */
async function* pagesOf(source: string, ask: AskPage, request: Omit<PageRequest, 'from'>, signal: AbortSignal | undefined): AsyncGenerator<ObjectPage, void, undefined> {
  let from: string | undefined
  // Brent's way to find a circle: the page that is remembered is twice as far on each time, so that one of any length is met.
  let remembered: string | undefined
  for (let pages = 1, renewed = 1; ; pages++) {
    throwIfAborted(signal)
    const page = await ask({ ...request, from })
    yield page
    if (page.next === undefined) return
    if (page.next === remembered || pages === MOST_PAGES) throw endless(source, pages)
    if (pages === renewed) {
      remembered = page.next
      renewed *= 2
    }
    from = page.next
  }
}

/** The bucket of a URL, with the slash after it. */
const rootOf = (url: string): string => /^[^:]*:\/\/[^/]*\/?/.exec(url)![0]

/**
 * The objects that a glob matches, sorted by key: pages are asked for under the part of the glob before its first wildcard.
 *
 * @throws `Storage` BAD_LISTING where the server's pages do not go on
 */
export const listObjects = async (glob: string, ask: AskPage, signal: AbortSignal | undefined): Promise<readonly FileInfo[]> => {
  const root = rootOf(glob)
  const { bucket } = parseObjectUrl(root)
  const { base, glob: rest } = picomatch.scan(glob.slice(root.length), { unescape: true })
  const matches = nameMatcher(rest)
  const skip = base === '' ? 0 : base.length + 1
  const found: FileInfo[] = []
  const prefix = prefixOf(base, rest)
  const shallow = !rest.includes('/') && !rest.includes('**')
  for await (const { objects } of pagesOf(glob, ask, { bucket, prefix, shallow }, signal)) {
    for (const { key, size, version } of objects) {
      // What ends in a slash stands for a folder.
      if (key.startsWith(prefix) && !key.endsWith('/') && (rest === '' ? key === base : matches(key.slice(skip)))) found.push({ url: `${root.replace(/\/?$/, '/')}${key}`, size, version })
    }
  }
  return found.sort((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0))
}

/** All objects below a folder, where one page holds them, else what lies right in it. */
export const browseObjects = async (folder: string, ask: AskPage, signal: AbortSignal | undefined): Promise<FolderEntries> => {
  const root = rootOf(folder)
  const { bucket } = parseObjectUrl(root)
  const prefix = folder.slice(root.length).replace(/\/*$/, '/').replace(/^\/$/, '')
  const base = root.replace(/\/?$/, '/')
  const filesOf = ({ objects }: ObjectPage): readonly FileInfo[] => objects.flatMap(({ key, size, version }) => (key.startsWith(prefix) && !key.endsWith('/') ? [{ url: `${base}${key}`, size, version }] : []))
  throwIfAborted(signal)
  const first = await ask({ bucket, prefix, shallow: false, from: undefined })
  if (first.next === undefined) return { files: filesOf(first), folders: [] }
  const files: FileInfo[] = []
  const folders: string[] = []
  for await (const page of pagesOf(folder, ask, { bucket, prefix, shallow: true }, signal)) {
    files.push(...filesOf(page))
    folders.push(...page.folders.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length, -1)))
  }
  const onFirstPage = new Set(first.objects.map(({ key }) => key.slice(prefix.length).split('/')[0]))
  return { files, folders, requests: folders.length / onFirstPage.size }
}
