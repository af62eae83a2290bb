import { failure } from '../errors/index.js'

/**
 * Values of the folders that a file lies in, by key, as texts: `date=2026-11-24/country=de` is `{ date: '2026-11-24', country: 'de' }`.
 * Null stands for Hive's default partition.
 */
export type PartitionValues = { readonly [key: string]: string | null }

/** The value of the folder of rows that have none. */
export const DEFAULT_PARTITION = '__HIVE_DEFAULT_PARTITION__'

/** What Spark and Hive escape in names of folders: control characters, and what paths and globs have other uses for. */
const escapedCharacters = /[\u0000-\u001f"#%'*/:=?\\\u007f{[\]^]/g

const escapeText = (text: string): string => text.replace(escapedCharacters, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)

/** Spark escapes ASCII only, others (pyarrow) the bytes of UTF-8; a `%` that begins no escape stands for itself, as in Spark. */
const unescapeText = (text: string): string =>
  text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    const bytes = Buffer.from(escapes.replaceAll('%', ''), 'hex')
    const utf8 = bytes.toString('utf8')
    return utf8.includes('\ufffd') ? bytes.toString('latin1') : utf8
  })

/**
 * The name of the folder of a partition: `country=de`.
 *
 * @param value - as text; null and the empty text, which Hive cannot tell apart, have the default partition
 * @see https://github.com/apache/spark/blob/master/sql/catalyst/src/main/scala/org/apache/spark/sql/catalyst/catalog/ExternalCatalogUtils.scala
 */
export const partitionFolder = (key: string, value: string | null): string =>
  `${escapeText(key)}=${value === null || value === '' ? DEFAULT_PARTITION : escapeText(value)}`

/**
 * The values that the folders of a path give; `undefined` where none of them has the form `key=value`.
 *
 * @throws `Schema` PARTITION_TWICE for a path in which a key comes twice: nobody can tell which of its values is that of the rows
 */
export const parsePartition = (folders: readonly string[]): PartitionValues | undefined => {
  const values = folders.flatMap((folder): readonly [string, string | null][] => {
    const at = folder.indexOf('=')
    if (at <= 0) return []
    const text = folder.slice(at + 1)
    return [[unescapeText(folder.slice(0, at)), text === DEFAULT_PARTITION ? null : unescapeText(text)]]
  })
  if (values.length === 0) return undefined
  const found = Object.fromEntries(values)
  if (Object.keys(found).length === values.length) return found
  const twice = values.find(([key], at) => values.findIndex(([other]) => other === key) < at)
  throw failure({
    tag: 'Schema', code: 'PARTITION_TWICE', problem: `the folders give the key ${JSON.stringify(twice?.[0])} twice`, remedy: 'Read the folder below the first one, or move the files into folders that give each key once.',
    position: { source: folders.join('/') },
  })
}
