const OPENING: { readonly [closing: string]: string } = { '}': '{', ']': '[' }

/**
 * Whether an element of an array that is no JSON ends, for all its faults, where its brackets and quotes say: brackets close what they
 * open, and quotes stand where texts begin and end. Where one is missing or too many, what looks like one element may be several.
 */
export const isFramed = (text: string): boolean => {
  const open: string[] = []
  let before = ''
  for (let at = 0; at < text.length; at++) {
    const mark = text[at]!
    if (mark.trim() === '') continue
    if (mark === '"') {
      const end = textEnd(text, at)
      if (end === undefined || !/^[{[,:]?$/.test(before) || !/^\s*([}\],:]|$)/.test(text.slice(end + 1, end + 1 + NEAR))) return false
      at = end
    } else if (mark === '{' || mark === '[') open.push(mark)
    else if ((mark === '}' || mark === ']') && open.pop() !== OPENING[mark]) return false
    before = text[at]!
  }
  return open.length === 0
}

/** White space after a text is looked through to this length. */
const NEAR = 1024

/** Index of the quote that ends the text; `undefined` where a control character comes first, which no text holds. */
const textEnd = (text: string, start: number): number | undefined => {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '"') return at
    if (text[at] === '\\') at++
    else if (text.charCodeAt(at) < 0x20) return undefined
  }
  return undefined
}
