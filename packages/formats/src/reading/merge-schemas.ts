import { describeField, failure, field, sameField, shownUrl, type Field, type FileInfo, type Schema } from '@millrace/core'

/** Headers and footers that are fetched at once. */
const AT_ONCE = 8

const asNullable = (of: Field): Field => (of.nullable ? of : field.nullable(of))

/** The schema of each file, several fetched at once. */
export const schemasOf = async (files: readonly FileInfo[], schemaOf: (file: FileInfo) => Promise<Schema>): Promise<readonly Schema[]> => {
  const schemas: Schema[] = []
  for (let at = 0; at < files.length; at += AT_ONCE) schemas.push(...(await Promise.all(files.slice(at, at + AT_ONCE).map(schemaOf))))
  return schemas
}

/**
 * The columns of all files by name, in the order in which they come up. A column that a file lacks is nullable.
 *
 * @throws `Schema` COLUMN_DIFFERS, which names both files, for a column of two kinds
 */
export const mergedSchema = (files: readonly FileInfo[], schemas: readonly Schema[]): Schema => {
  const merged = new Map<string, { field: Field; readonly file: string; count: number }>()
  for (const [index, schema] of schemas.entries()) {
    const file = files[index]!.url
    for (const [name, found] of Object.entries(schema)) {
      const known = merged.get(name)
      if (known === undefined) merged.set(name, { field: found, file, count: 1 })
      else if (sameField(asNullable(found), asNullable(known.field))) {
        known.count++
        if (found.nullable) known.field = asNullable(known.field)
      } else throw differs(name, known.field, known.file, found, file)
    }
  }
  return Object.fromEntries([...merged].map(([name, { field: of, count }]) => [name, count < schemas.length ? asNullable(of) : of]))
}

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
