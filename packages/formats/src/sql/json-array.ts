import { ConversionError, showValue } from '@millrace/core'
import type { ArrayItem } from './postgres-array.js'

/** One item, and what follows it. Texts keep their escapes, numbers their digits. */
const item = /\s*(?:("[^"\\]*(?:\\.[^"\\]*)*")|(-?\d[\d.eE+-]*)|(true|false)|(null)|(-?(?:Infinity|NaN)))\s*([,\]])/y

/**
 * Items of an array of plain values in JSON, as texts: `[1,null,"with \"quotes\""]`; booleans as `t` and `f`.
 *
 * @throws ConversionError for a text that is none, and for arrays and objects in the array
 */
export const parseJsonArray = (text: string): readonly ArrayItem[] => {
  if (/^\s*\[\s*\]\s*$/.test(text)) return []
  const open = /^\s*\[/.exec(text)
  if (open === null) throw bad(text)
  const items: ArrayItem[] = []
  item.lastIndex = open[0].length
  for (;;) {
    const match = item.exec(text)
    if (match === null) throw bad(text)
    const [, quoted, number, truth, nothing, special, after] = match
    items.push(quoted !== undefined ? unquoted(quoted, text) : nothing !== undefined ? null : (number ?? truth?.[0] ?? special!))
    if (after === ',') continue
    const end = match.index + match[0].length
    if (text.slice(end).trim() !== '') throw bad(text)
    return items
  }
}

const unquoted = (quoted: string, text: string): string => {
  try {
    return JSON.parse(quoted) as string
  } catch {
    throw bad(text)
  }
}

const bad = (text: string): ConversionError => new ConversionError('BAD_TEXT', `${showValue(text)} is no array of plain values in JSON`)
