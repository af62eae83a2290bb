import { ConversionError, showValue } from '@millrace/core'

/** An element of an array: its text, a null, or the array of a further dimension. */
export type ArrayItem = string | null | readonly ArrayItem[]

/** PostgreSQL has no more dimensions. */
const MAX_DIMENSIONS = 6

/**
 * Items of an array in PostgreSQL's text form: `{1,NULL,"with \"quotes\""}`; lower bounds (`[2:3]={…}`) are left out.
 *
 * @throws ConversionError for a text that is none
 * @see https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export const parsePostgresArray = (text: string): readonly ArrayItem[] => {
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0
  const bad = (): ConversionError => new ConversionError('BAD_TEXT', `${showValue(text)} is no array`)

  const quoted = (): string => {
    let out = ''
    for (at++; at < text.length; at++) {
      const character = text[at]!
      if (character === '"') {
        at++
        return out
      }
      out += character === '\\' ? (text[++at] ?? '') : character
    }
    throw bad()
  }
  const plain = (): string | null => {
    const start = at
    while (at < text.length && text[at] !== ',' && text[at] !== '}') at++
    const word = text.slice(start, at)
    return word === 'NULL' ? null : word
  }
  const list = (depth: number): ArrayItem[] => {
    if (text[at] !== '{' || depth > MAX_DIMENSIONS) throw bad()
    const items: ArrayItem[] = []
    at++
    if (text[at] === '}') {
      at++
      return items
    }
    for (;;) {
      items.push(text[at] === '"' ? quoted() : text[at] === '{' ? list(depth + 1) : plain())
      const end = text[at++]
      if (end === '}') return items
      if (end !== ',') throw bad()
    }
  }
  const items = list(1)
  if (at !== text.length) throw bad()
  return items
}
