import type { SchemaElement, SchemaTree } from 'hyparquet'

/** Levels of one list around a leaf. */
export interface ListLevels {
  /** Repetition level of its items. */
  readonly repetition: number
  /** Definition level from which on the list is not null. */
  readonly defined: number
  /** Definition level from which on it has an item. */
  readonly item: number
}

/** A leaf below a column of the file: what its levels mean. */
export interface LeafPath {
  readonly element: SchemaElement
  /** Highest definition level: a value that is not null. */
  readonly definition: number
  /** Highest repetition level: the number of lists around it. */
  readonly repetition: number
  /** The lists around it, the outermost first. */
  readonly lists: readonly ListLevels[]
  /** Names from the column to the leaf. */
  readonly path: readonly string[]
}

/**
 * The path from a column of the file down to its one leaf; `undefined` for structs and maps, which have several.
 *
 * @see https://parquet.apache.org/docs/file-format/nestedencoding/
 */
export const leafPath = (column: SchemaTree): LeafPath | undefined => {
  const lists: ListLevels[] = []
  const path: string[] = []
  let definition = 0
  let repetition = 0
  for (let node = column; ; node = node.children[0]!) {
    const { element, children } = node
    path.push(element.name)
    if (element.repetition_type === 'REPEATED') lists.push({ repetition: ++repetition, defined: definition, item: definition + 1 })
    if (element.repetition_type !== 'REQUIRED') definition++
    if (children.length === 0) return { element, definition, repetition, lists, path }
    if (children.length > 1) return undefined
  }
}
