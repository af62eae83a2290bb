/** Storages in whose names `?` and `#` are characters as others are (`?` one of globs). */
const withoutQuery = new Set(['file', 's3', 's3a', 'gs', 'hdfs', 'webhdfs', 'swebhdfs'])

/** What slips in before a URL, or after it, from files of settings and from other programs. */
const around = /^[\s"'`<(]+|[\s"]+$/g

/** A text without what slips in around a URL, and without the control characters that parsers of URLs pass over. */
export const withoutSlips = (text: string): string => text.replace(/[\u0000-\u001f\u007f]/g, '').replace(around, '')

/**
 * A source as errors, plans, progress, positions and quarantine files may show it: without user and password, and, but for S3, Google Cloud Storage, HDFS
 * and files, where these are parts of names, without query and fragment, in which signed links carry their tokens. So are URLs of schemes that nobody
 * knows, and those with blanks or quotes around them. Paths, and names of other sources, stay as they are.
 */
export const shownUrl = (source: string): string => {
  const url = withoutSlips(source)
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme === 'http' || scheme === 'https') {
    // Of a text that is no URL nobody can tell which part is a password.
    return URL.canParse(url) ? url.replace(/[?#].*$/s, '').replace(/^([a-z]+:[/\\]*)[^/\\]*@/i, '$1') : `${scheme}://…`
  }
  if (scheme === undefined || !/^[^:]+:[/\\]/.test(url)) return source
  // Keys of S3 may have slashes in them: after a colon that begins no port all is a password.
  const shown = url.replace(/^([a-z][a-z0-9+.-]+:\/\/)(?:[^/]*@|[^/@:]*:(?!\d*(?:\/|$))[^@]*@)/i, '$1')
  if (!withoutQuery.has(scheme)) return shown.replace(/[?#].*$/s, '')
  return shown === url ? source : shown
}
