/** A key on the way to columns: of one of its own, or of an object with further keys. */
export type KeyTree = ReadonlyMap<string, number | KeyTree>

const BUCKETS = 64
const ENTRY_BYTES = 32
/** The kernel compares 16 bytes at once. */
const KEY_SLACK = 16

/** Paths as a tree of keys with indices of columns; `undefined` when two columns get in each other's way. */
export const keyTree = (paths: readonly (readonly string[])[]): KeyTree | undefined => {
  const root = new Map<string, number | KeyTree>()
  for (const [column, path] of paths.entries()) {
    let node = root
    for (const key of path.slice(0, -1)) {
      const below = node.get(key) ?? new Map<string, number | KeyTree>()
      if (typeof below === 'number') return undefined
      node.set(key, below)
      node = below as typeof root
    }
    const key = path[path.length - 1]!
    if (node.has(key)) return undefined
    node.set(key, column)
  }
  return root
}

const bucketOf = (key: Uint8Array): number => (key.length === 0 ? 0 : (key.length * 31 + key[0]! * 7 + key[key.length - 1]!) % BUCKETS)

/**
 * The tree as assembly/json-kernel.ts looks keys up in it. A node: how many entries it has, where they stand, and for each bucket the
 * index of its first entry from 1, 16 bits each. An entry, 32 bytes: where its key stands, its length, its target, whether that is a
 * node, the next entry of its bucket, and a word of the kernel's. Places are counted from the beginning, where the root stands.
 *
 * @param after - bytes to leave at the end
 */
export const packKeys = (tree: KeyTree, after: number): Uint8Array => {
  const nodes: { readonly tree: KeyTree; readonly at: number }[] = []
  let size = 0
  const place = (node: KeyTree): number => {
    const at = size
    nodes.push({ tree: node, at })
    size += 8 + 2 * BUCKETS + node.size * ENTRY_BYTES
    for (const below of node.values()) if (typeof below !== 'number') place(below)
    return at
  }
  place(tree)
  const keysAt = size
  for (const { tree: node } of nodes) for (const key of node.keys()) size += Buffer.byteLength(key) + KEY_SLACK
  const bytes = Buffer.alloc(((size + 3) & ~3) + after)
  const placeOf = new Map(nodes.map((node) => [node.tree, node.at]))
  let keyAt = keysAt
  for (const { tree: node, at } of nodes) {
    const entries = at + 8 + 2 * BUCKETS
    bytes.writeUInt32LE(node.size, at)
    bytes.writeUInt32LE(entries, at + 4)
    for (const [i, [name, below]] of [...node].entries()) {
      const key = Buffer.from(name)
      const bucket = at + 8 + 2 * bucketOf(key)
      const isColumn = typeof below === 'number'
      const words = [keyAt, key.length, isColumn ? below : placeOf.get(below)!, isColumn ? 0 : 1, bytes.readUInt16LE(bucket)]
      for (const [word, value] of words.entries()) bytes.writeUInt32LE(value, entries + i * ENTRY_BYTES + 4 * word)
      bytes.writeUInt16LE(i + 1, bucket)
      key.copy(bytes, keyAt)
      bytes[keyAt + key.length] = 0x22
      keyAt += key.length + KEY_SLACK
    }
  }
  return bytes
}
