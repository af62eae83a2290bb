import { describeValue, failure, nearestName } from '../errors/index.js'
import { field, type Field, type Schema } from './field.js'

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

/** Names that a message lists at most, and characters of each: a file may have a million columns, with names of megabytes. */
const MOST_NAMES = 20
const LONGEST_NAME = 100

const shownName = (name: string): string => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name)

/** Names as an error message lists them: the first 20, long ones cut, and how many more there are. */
export const listNames = (names: readonly string[]): string => {
  const shown = names.slice(0, MOST_NAMES).map(shownName).join(', ')
  return names.length > MOST_NAMES ? `${shown} and ${names.length - MOST_NAMES} more` : shown
}

/** The field of a column. @throws `Schema` that names the columns there are, and the one that was probably meant */
export const requireColumn = (schema: Schema, name: string, use: string): Field => {
  const found = Object.prototype.hasOwnProperty.call(schema, name) ? schema[name] : undefined
  if (found !== undefined) return found
  const names = Object.keys(schema)
  const near = nearestName(names, name)
  const hint = near === undefined ? '' : `Did you mean "${near}"? `
  throw failure({
    tag: 'Schema',
    code: 'NO_SUCH_COLUMN',
    problem: `${use} needs the column "${shownName(name)}", which is not there`,
    remedy: `${hint}The columns are: ${listNames(names)}.`,
    position: { column: name },
  })
}

/**
 * Checks that each column has a field, for callers whom the compiler does not check.
 *
 * @param use - who was given the schema
 * @throws `Schema` NOT_A_FIELD
 */
export const requireFields = (schema: Schema, use: string): void => {
  const wrong = (problem: string, remedy: string, column?: string): Error => failure({ tag: 'Schema', code: 'NOT_A_FIELD', problem, remedy, position: { column } })
  if (typeof (schema as unknown) !== 'object' || (schema as unknown) === null || Array.isArray(schema)) {
    throw wrong(`the schema of ${use} is an object of fields by their names, and this is ${describeValue(schema)}`, 'Write { id: field.int64(), name: field.utf8() }.')
  }
  for (const [name, given] of Object.entries(schema) as [string, unknown][]) {
    const { kind, params } = (given ?? {}) as Partial<Field>
    if (typeof kind === 'string' && typeof params === 'object') continue
    const meant = typeof given === 'function' ? Object.entries(field).find(([, make]) => make === given)?.[0] : given
    const named = typeof meant === 'string' && Object.hasOwn(field, meant) ? meant : undefined
    throw wrong(`${use} was given ${describeValue(given)} where a field is due`, named === undefined ? 'Write field.utf8() and the like.' : `Write field.${named}(…).`, name)
  }
}
