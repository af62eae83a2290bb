/**
 * A source as errors, plans, progress, positions and quarantine files may show it: of http(s) without query and fragment, where signed
 * links carry their tokens, and of any scheme without user and password. Paths, and names of other sources, stay as they are.
 */
export const shownUrl = (source: string): string => {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(source)?.[1]?.toLowerCase()
  if (scheme !== 'http' && scheme !== 'https') return source.replace(/^([a-z][a-z0-9+.-]+:\/\/)[^/]*@/i, '$1')
  // Of a text that is no URL nobody can tell which part is a password.
  if (!URL.canParse(source)) return `${scheme}://…`
  return source.replace(/[?#].*$/s, '').replace(/^([a-z]+:[/\\]*)[^/\\]*@/i, '$1')
}
