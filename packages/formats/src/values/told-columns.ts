import { failure, listNames, requireColumn, type Field, type MillraceError, type Schema } from '@millrace/core'
import { canHold, requireHeld, wrongKind, type ValueType } from './value-type.js'

/** A column that a file says it has: one of its own, or what a struct, a map or a list of them holds of one name. */
export interface ToldColumn {
  /** The keys that lead to it: the name of the column of the file, then the names of fields of structs; of maps `key` and `value`. */
  readonly keys: readonly string[]
  readonly type: ValueType
  /** The field that takes it as it is; `undefined` where no kind of column does. */
  readonly own: Field | undefined
}

/** Where columns come from that are not called by their keys. See the option `paths`. */
export type ColumnPaths = { readonly [column: string]: string | readonly string[] | undefined }

/** @throws `Usage` for paths that lead nowhere, are of no column of the schema, or stand without one */
export const requirePaths = (paths: ColumnPaths | undefined, schema: Schema | undefined): void => {
  const usage = (problem: string, remedy: string): MillraceError => failure({ tag: 'Usage', code: 'BAD_PATHS', problem, remedy })
  for (const [name, path] of Object.entries(paths ?? {})) {
    if (path === undefined) continue
    if (schema === undefined) throw usage('paths says where the columns of a schema come from, and there is no schema', 'Give the schema too, or leave paths out: nested columns are called by their keys with dots between.')
    if (!Object.hasOwn(schema, name)) throw usage(`there is a path for column ${JSON.stringify(name)}, which the schema does not have`, 'Name columns of the schema.')
    if (typeof path !== 'string' && !(Array.isArray(path) && path.length > 0 && path.every((key) => typeof key === 'string'))) throw usage(`the path of column ${JSON.stringify(name)} is none`, "Give keys with dots between, 'address.city', or an array of keys.")
  }
}

/** Keys as a column is called by them. */
const nameOf = (keys: readonly string[]): string => keys.join('.')

const add = <C>(into: Map<string, C[]>, key: string, column: C): void => {
  const known = into.get(key)
  if (known === undefined) into.set(key, [column])
  else known.push(column)
}

/** The columns of a file that says which it has, as they are asked for: by their keys with dots between, or by a path. */
export class ToldColumns<C extends ToldColumn> {
  private readonly byName = new Map<string, C[]>()
  private readonly byKeys = new Map<string, C[]>()

  /** @param format - as codes of errors begin */
  constructor(
    private readonly format: 'PARQUET' | 'ARROW',
    private readonly url: string,
    readonly all: readonly C[],
    private readonly paths: ColumnPaths = {},
  ) {
    for (const column of all) {
      add(this.byName, nameOf(column.keys), column)
      add(this.byKeys, JSON.stringify(column.keys), column)
    }
  }

  /** The columns that some kind of column holds. @throws `Schema` for two of one name */
  schema(): Schema {
    const entries = [...this.byName.keys()].flatMap((name): readonly (readonly [string, Field])[] => {
      const { own } = this.get(name)
      return own === undefined ? [] : [[name, own]]
    })
    return Object.fromEntries(entries)
  }

  /** Whether the file has a column that some kind of column holds. */
  has(name: string): boolean {
    return this.candidates(name).some(({ own }) => own !== undefined)
  }

  /** @throws `Schema` NO_SUCH_COLUMN for one that the file lacks, and for a name that two have, or none but what is around columns */
  get(name: string): C {
    const found = this.candidates(name)
    if (found.length === 1) return found[0]!
    throw found.length === 0 ? this.missing(name) : this.ambiguous(name, found)
  }

  /**
   * The fields of a reading: those of `schema`, else those of the columns that are named, else all.
   *
   * @throws `Schema` for columns that the file lacks, or holds as what they cannot be
   */
  fieldsFor(schema: Schema | undefined, columns: readonly string[] | undefined): Schema {
    if (schema === undefined) return columns === undefined ? this.schema() : Object.fromEntries(columns.map((name) => [name, this.held(name)]))
    for (const [name, target] of Object.entries(schema)) {
      const { type } = this.get(name)
      if (!canHold(target, type)) throw wrongKind(`${this.format}_KIND`, this.url, name, target, type)
    }
    return schema
  }

  private held(name: string): Field {
    const { own, type } = this.get(name)
    return requireHeld(`${this.format}_KIND`, this.url, own === undefined ? {} : { [name]: own }, name, type)
  }

  private candidates(name: string): readonly C[] {
    const path = this.pathOf(name)
    return (path === undefined ? this.byName.get(name) : this.byKeys.get(JSON.stringify(path))) ?? []
  }

  private pathOf(name: string): readonly string[] | undefined {
    const path = Object.hasOwn(this.paths, name) ? this.paths[name] : undefined
    return typeof path === 'string' ? path.split('.') : path
  }

  private missing(name: string): MillraceError {
    const path = this.pathOf(name)
    const asked = path === undefined ? name : nameOf(path)
    const names = [...this.byName.keys()]
    const within = names.filter((one) => one.startsWith(`${asked}.`))
    const position = { source: this.url, column: name }
    if (within.length > 0) {
      return failure({
        tag: 'Schema', code: `${this.format}_KIND`, problem: 'the column is a struct, a map or a list of them in the file: what it holds are columns of their own',
        remedy: `Ask for them by name: ${listNames(within)}.`, position,
      })
    }
    if (path !== undefined) {
      return failure({ tag: 'Schema', code: 'NO_SUCH_COLUMN', problem: `the file has no column at the path ${JSON.stringify(path)}`, remedy: `The columns are: ${listNames(names)}.`, position })
    }
    try {
      requireColumn(Object.fromEntries(this.all.map(({ keys, own }) => [nameOf(keys), own ?? ({} as Field)])), name, this.url)
    } catch (error) {
      return error as MillraceError
    }
    throw new Error('a column that is missing is there')
  }

  private ambiguous(name: string, found: readonly C[]): MillraceError {
    const paths = new Set(found.map(({ keys }) => JSON.stringify(keys)))
    const remedy = paths.size < found.length ? 'Rename one of them where the file is written.' : `Give a schema that has the one that you mean, and paths: { …: ${[...paths].join(' } or { …: ')} }.`
    return failure({ tag: 'Schema', code: `${this.format}_NOT_READ`, problem: `${found.length === 2 ? 'two' : found.length} columns have this name`, remedy, position: { source: this.url, column: name } })
  }
}
