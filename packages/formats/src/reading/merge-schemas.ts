import { describeField, failure, field, sameField, shownUrl, type Field, type FileInfo, type Schema } from '@millrace/core'

/** Headers and footers that are fetched at once. */
const AT_ONCE = 8

const asNullable = (of: Field): Field => (of.nullable ? of : field.nullable(of))

/** The schema of each file, several fetched at once; `undefined` of an empty one. */
export const schemasOf = async (files: readonly FileInfo[], schemaOf: (file: FileInfo) => Promise<Schema | undefined>): Promise<readonly (Schema | undefined)[]> => {
  const schemas: (Schema | undefined)[] = []
  for (let at = 0; at < files.length; at += AT_ONCE) schemas.push(...(await Promise.all(files.slice(at, at + AT_ONCE).map(schemaOf))))
  return schemas
}

/**
 * The columns of all files by name, in the order in which they come up. A column that a file lacks is nullable; empty files lack none.
 *
 * @throws `Schema` COLUMN_DIFFERS, which names both files, for a column of two kinds; NO_COLUMNS where all files are empty
 */
export const mergedSchema = (files: readonly FileInfo[], schemas: readonly (Schema | undefined)[]): Schema => {
  const merged = new Map<string, { field: Field; readonly file: string; count: number }>()
  for (const [index, schema] of schemas.entries()) {
    const file = files[index]!.url
    for (const [name, found] of Object.entries(schema ?? {})) {
      const known = merged.get(name)
      if (known === undefined) merged.set(name, { field: found, file, count: 1 })
      else if (sameField(asNullable(found), asNullable(known.field))) {
        known.count++
        if (found.nullable) known.field = asNullable(known.field)
      } else throw differs(name, known.field, known.file, found, file)
    }
  }
  const told = schemas.filter((schema) => schema !== undefined).length
  if (told === 0) throw allEmpty(files)
  return Object.fromEntries([...merged].map(([name, { field: of, count }]) => [name, count < told ? asNullable(of) : of]))
}

/** The error of files that leave nobody to say what the columns are. */
export const allEmpty = (files: readonly FileInfo[]): Error =>
  failure({
    tag: 'Schema', code: 'NO_COLUMNS', problem: files.length === 1 ? 'the file is empty' : `all ${files.length} files are empty`,
    remedy: 'Nobody knows the columns then. Give a schema: there are no rows with it.', position: { source: files[0]!.url },
  })

const differs = (name: string, known: Field, knownIn: string, found: Field, foundIn: string): Error =>
  failure({
    tag: 'Schema', code: 'COLUMN_DIFFERS', problem: `the column is ${kindOf(found)} here, and ${kindOf(known)} in ${shownUrl(knownIn)}`,
    remedy: 'Give a schema whose kinds take both, or read the files one by one.', position: { source: foundIn, column: name },
  })

const kindOf = (of: Field): string => {
  const { precision, scale, unit } = of.params
  const detail = of.kind === 'decimal' ? `(${precision}, ${scale})` : of.kind === 'timestamp' ? ` in ${unit}` : ''
  return describeField(field.nullable(of)).replace(/^nullable /, '') + detail
}
