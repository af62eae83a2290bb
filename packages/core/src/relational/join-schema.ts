import { failure } from '../errors/index.js'
import { describeField, field, requireColumn, type Field, type Nullable, type Schema } from '../schema/index.js'

/** Whether left rows without a partner are dropped (`inner`) or kept with nulls on the right (`left`). */
export type JoinKind = 'inner' | 'left'

/** One column, or several that must all be equal. */
export type JoinKey = string | readonly string[]

/** The names in a {@link JoinKey}. */
export type KeyName<K extends JoinKey> = K extends readonly (infer Name extends string)[] ? Name : K extends string ? K : never

/**
 * Columns of a join: all of the left, then those of the right without its key (which equals the left's), nullable in a left
 * join, and with the suffix where the left has the name.
 */
export type JoinedSchema<L extends Schema, R extends Schema, RightKey extends string, Kind extends JoinKind, Suffix extends string> = {
  readonly [K in keyof L | RightName<L, R, RightKey, Suffix> as K]: K extends keyof L
    ? L[K]
    : RightField<R[RightSource<L, R, RightKey, Suffix, K> & keyof R], Kind>
} & {}

type RightName<L, R, RightKey, Suffix extends string> = {
  [C in Exclude<keyof R, RightKey> & string]: C extends keyof L ? (Suffix extends '' ? never : `${C}${Suffix}`) : C
}[Exclude<keyof R, RightKey> & string]

type RightSource<L, R, RightKey, Suffix extends string, Name> = {
  [C in Exclude<keyof R, RightKey> & string]: (C extends keyof L ? `${C}${Suffix}` : C) extends Name ? C : never
}[Exclude<keyof R, RightKey> & string]

type RightField<F extends Field, Kind extends JoinKind> = Kind extends 'left' ? Nullable<F> : F

/** One column that the right side brings. */
export interface RightColumn {
  /** Its name on the right. */
  readonly source: string
  /** Its name in the result. */
  readonly name: string
  /** Its field in the result. */
  readonly field: Field
}

const integers = new Set(['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'])

/** What must be equal for two key columns to be comparable. */
const comparison = (of: Field): string | undefined => {
  if (of.kind === 'dictionary') return comparison(of.params.item!)
  if (integers.has(of.kind)) return 'integer'
  if (of.kind === 'timestamp') return `timestamp in ${of.params.unit ?? 'ms'}`
  if (of.kind === 'decimal') return `decimal with ${of.params.scale ?? 0} digits after the point`
  return ['bool', 'utf8', 'binary', 'date'].includes(of.kind) ? of.kind : undefined
}

/** @throws `Schema` when key columns are missing, or cannot be compared exactly */
export const checkKeys = (left: Schema, right: Schema, leftKeys: readonly string[], rightKeys: readonly string[]): void => {
  if (leftKeys.length === 0 || leftKeys.length !== rightKeys.length) {
    throw failure({ tag: 'Usage', code: 'BAD_KEYS', problem: `a join takes as many left keys as right keys, at least one; these are ${leftKeys.length} and ${rightKeys.length}` })
  }
  leftKeys.forEach((name, index) => {
    const a = requireColumn(left, name, 'the left side of the join')
    const b = requireColumn(right, rightKeys[index]!, 'the right side of the join')
    if (comparison(a) === undefined || comparison(a) !== comparison(b)) {
      throw failure({
        tag: 'Schema',
        code: 'KEYS_DO_NOT_COMPARE',
        problem: `the join key is ${describeField(a)} on the left and ${describeField(b)} ("${rightKeys[index]}") on the right`,
        remedy: 'Keys are integers, texts, bytes, booleans, dates, timestamps of one unit or decimals of one scale, the same on both sides; convert one of them first. Floats are no keys.',
        position: { column: name },
      })
    }
  })
}

/** The columns that the right side adds. @throws `Schema` for a name that the result has already */
export const rightColumns = (left: Schema, right: Schema, rightKeys: readonly string[], kind: JoinKind, suffix: string): readonly RightColumn[] => {
  const taken = new Set(Object.keys(left))
  return Object.entries(right)
    .filter(([name]) => !rightKeys.includes(name))
    .map(([source, of]) => {
      const name = taken.has(source) ? `${source}${suffix}` : source
      if (taken.has(name)) {
        throw failure({
          tag: 'Schema',
          code: 'COLUMN_COLLISION',
          problem: `both sides of the join have a column "${source}"${suffix === '' ? '' : `, and "${name}" is taken too`}`,
          remedy: "Pass suffix: '…' for the right one's name, or rename or drop one of them before the join.",
          position: { column: source },
        })
      }
      taken.add(name)
      return { source, name, field: kind === 'left' ? field.nullable(of) : of }
    })
}
