import type { SchemaElement } from 'hyparquet'

/** Levels of one list around a leaf. */
export interface ListLevels {
  /** Repetition level of its items. */
  readonly repetition: number
  /** Definition level from which on the list is not null. */
  readonly defined: number
  /** Definition level from which on it has an item. */
  readonly item: number
}

/**
 * A leaf of a file's schema: what its levels mean.
 *
 * @see https://parquet.apache.org/docs/file-format/nestedencoding/
 */
export interface LeafPath {
  /** The column as errors call it. */
  readonly name: string
  /** Which leaf of the schema it is, which is where row groups have it. */
  readonly index: number
  readonly element: SchemaElement
  /** Highest definition level: a value that is not null. */
  readonly definition: number
  /** Highest repetition level: the number of lists and maps around it. */
  readonly repetition: number
  /** The lists and maps around it, the outermost first. */
  readonly lists: readonly ListLevels[]
  /** Names of the schema down to the leaf, those of layers of lists and maps too. */
  readonly path: readonly string[]
}
