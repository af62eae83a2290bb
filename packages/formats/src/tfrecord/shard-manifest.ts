import { failure, manifestName, type FieldParams, type PlanNode, type Schema } from '@millrace/core'
import type { Compression } from '../compression/index.js'

/**
 * What a set of TFRecord shards holds, written beside them as {@link manifestName} says when the last shard is complete. It tells what
 * the records themselves do not: whether their features are raw columns or what fitted features made of them, how many there are,
 * and how they are packed.
 */
export interface ShardManifest {
  readonly format: 'millrace.tfrecord'
  readonly version: 1
  /** `raw`: columns as their source has them. `transformed`: what `inputs.apply` made of them. */
  readonly holds: ShardContent
  readonly compression: Compression
  /** Records of all shards. */
  readonly rows: number
  readonly shards: readonly ShardEntry[]
  readonly columns: { readonly [name: string]: ManifestColumn }
}

/** What the rows of shards are. */
export type ShardContent = 'raw' | 'transformed'

/** One file of the set. */
export interface ShardEntry {
  /** Name within the folder, of files of partitions with the folders that they are in. */
  readonly file: string
  readonly rows: number
  /** By which readers know the file for the one that was written. Manifests of earlier releases lack it. */
  readonly bytes?: number
}

/** A column as a plain value. */
export interface ManifestColumn {
  readonly kind: string
  readonly nullable: boolean
  readonly params: FieldParams
}

export { manifestName }

/** What manifests say that they are of. */
export const MANIFEST_FORMAT = 'millrace.tfrecord'

/** A manifest as the text of its file. */
export const manifestText = (manifest: ShardManifest): string => `${JSON.stringify(manifest, null, 1)}\n`

/**
 * The manifest of all files of a folder, after some were added.
 *
 * @throws `Schema` APPEND_DIFFERS where the files that were there hold something else
 */
export const addedManifest = (earlier: ShardManifest, added: ShardManifest, source: string): ShardManifest => {
  const kinds = ({ holds, compression, columns }: ShardManifest): string => JSON.stringify([holds, compression, Object.entries(columns).sort(([a], [b]) => (a < b ? -1 : 1))])
  if (kinds(earlier) === kinds(added)) return { ...added, rows: earlier.rows + added.rows, shards: [...earlier.shards, ...added.shards] }
  throw failure({
    tag: 'Schema', code: 'APPEND_DIFFERS', problem: 'the files that are there have other columns, are packed otherwise, or hold raw rows where these are transformed, or the other way round',
    remedy: 'Add rows of the same kind, or write to a folder of their own.', position: { source },
  })
}

/** Whether a stream's rows are features or raw columns: what its plan says, followed to the first source. */
export const contentOf = (plan: PlanNode): ShardContent => {
  if (plan.operator === 'features') return 'transformed'
  const [first] = plan.inputs
  return first === undefined ? 'raw' : contentOf(first)
}

/** The columns of a schema as plain values. */
export const manifestColumns = (schema: Schema, names: readonly string[]): ShardManifest['columns'] =>
  Object.fromEntries(names.map((name) => {
    const { kind, nullable, params } = schema[name]!
    return [name, { kind, nullable, params }]
  }))

const bad = (problem: string, source: string): never => {
  throw failure({ tag: 'Corrupt', code: 'BAD_MANIFEST', problem: `this is no manifest of TFRecord shards: ${problem}`, remedy: 'Write the shards again, or remove the file.', position: { source } })
}

const isObject = (value: unknown): value is { readonly [key: string]: unknown } => typeof value === 'object' && value !== null && !Array.isArray(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/**
 * Reads and checks a manifest.
 *
 * @param source - its name, for errors
 * @throws `Corrupt` for what is none
 */
export const parseManifest = (text: string, source: string): ShardManifest => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return bad('it cannot be parsed', source)
  }
  if (!isObject(value) || value['format'] !== MANIFEST_FORMAT) return bad('it does not say so', source)
  if (value['state'] === 'committing') return bad('its shards are getting their names, or their writer was killed when they did', source)
  const { version, holds, compression, rows, shards, columns } = value
  if (version !== 1) return bad(`its version is ${String(version)}, and this release reads version 1`, source)
  if (holds !== 'raw' && holds !== 'transformed') return bad('it does not say whether rows are raw or transformed', source)
  if (compression !== 'none' && compression !== 'gzip' && compression !== 'zlib') return bad('it does not say how the shards are packed', source)
  if (!isCount(rows)) return bad('it does not count the rows', source)
  const isShard = (shard: unknown): boolean => isObject(shard) && typeof shard['file'] === 'string' && isCount(shard['rows']) && (shard['bytes'] === undefined || isCount(shard['bytes']))
  if (!Array.isArray(shards) || !shards.every(isShard)) return bad('it does not list the shards', source)
  const isColumn = (column: unknown): boolean => isObject(column) && typeof column['kind'] === 'string' && typeof column['nullable'] === 'boolean' && isObject(column['params'])
  if (!isObject(columns) || !Object.values(columns).every(isColumn)) return bad('it does not list the columns', source)
  return value as unknown as ShardManifest
}
