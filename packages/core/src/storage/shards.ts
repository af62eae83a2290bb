/** The name of one shard of an output, as TensorFlow and Beam name it: `train-00000-of-00004`. */
export const shardName = (prefix: string, index: number, count: number): string =>
  `${prefix}-${String(index).padStart(5, '0')}-of-${String(count).padStart(5, '0')}`

/** All the names of an output of `count` shards. */
export const shardNames = (prefix: string, count: number): readonly string[] => Array.from({ length: count }, (_, index) => shardName(prefix, index, count))

/** The glob of an output's shards, whatever their number. */
export const shardGlob = (prefix: string): string => `${prefix}-?????-of-?????`

/** What `name@4` and `name@*` stand for; `undefined` for any other name. */
export const expandShardSpec = (spec: string): readonly string[] | { readonly glob: string } | undefined => {
  const match = /^(.+)@(\d{1,5}|\*)$/.exec(spec)
  if (match === null) return undefined
  return match[2] === '*' ? { glob: shardGlob(match[1]!) } : shardNames(match[1]!, Number(match[2]))
}
