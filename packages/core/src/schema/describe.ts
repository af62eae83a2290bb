import { failure } from '../errors/index.js'
import type { Field, Schema } from './field.js'

/** A field as people write it: `nullable list<utf8>`. */
export const describeField = (field: Field): string => {
  const inner = field.params.item === undefined ? '' : `<${describeField(field.params.item)}>`
  return `${field.nullable ? 'nullable ' : ''}${field.kind}${inner}`
}

/** True when two fields have the same kind, nullability and parameters. */
export const sameField = (a: Field, b: Field): boolean => {
  if (a.kind !== b.kind || a.nullable !== b.nullable) return false
  const { item: itemA, ...restA } = a.params
  const { item: itemB, ...restB } = b.params
  const names = new Set([...Object.keys(restA), ...Object.keys(restB)]) as Set<keyof typeof restA>
  for (const name of names) if (restA[name] !== restB[name]) return false
  return itemA === undefined || itemB === undefined ? itemA === itemB : sameField(itemA, itemB)
}

/** Number of single-character edits between two names. */
const distance = (a: string, b: string): number => {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      current[j] = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    previous = current
  }
  return previous[b.length]!
}

/** The field of a column. @throws `Schema` that names the columns there are, and the one that was probably meant */
export const requireColumn = (schema: Schema, name: string, use: string): Field => {
  const found = Object.prototype.hasOwnProperty.call(schema, name) ? schema[name] : undefined
  if (found !== undefined) return found
  const names = Object.keys(schema)
  const near = names.map((candidate) => ({ candidate, edits: distance(candidate, name) })).sort((a, b) => a.edits - b.edits)[0]
  const hint = near !== undefined && near.edits <= Math.max(2, name.length >> 2) ? `Did you mean "${near.candidate}"? ` : ''
  throw failure({
    tag: 'Schema',
    code: 'NO_SUCH_COLUMN',
    problem: `${use} needs the column "${name}", which is not there`,
    remedy: `${hint}The columns are: ${names.join(', ')}.`,
    position: { column: name },
  })
}
