import { failure, job, run, type Job } from '@millrace/core'
import { Graph, tensorNumbers, tensorTexts, type Session } from '@millrace/export'
import { manifestName, parseManifest, type Compression, type ShardContent, type ShardManifest } from '@millrace/formats'

/** Files of TFRecords as a server sees them. */
export interface ServerShards {
  /** In the order in which TensorFlow reads them. */
  readonly files: readonly string[]
  /** What their manifests say of them; `undefined` where a file is in none. */
  readonly described: DescribedShards | undefined
}

/** What manifests say of a set of files. */
export interface DescribedShards {
  readonly holds: ShardContent
  readonly compression: Compression
  /** Records of all files. */
  readonly rows: number
  /** Of the first file. */
  readonly columns: ShardManifest['columns']
}

const folderOf = (file: string): string => file.replace(/[^/]*$/, '')
const nameOf = (file: string): string => file.slice(folderOf(file).length)
/** What shards of one set have in common: `train-00000-of-00004` is one of `train`. */
const prefixOf = (file: string): string => file.replace(/-\d{5}-of-\d{5}$/, '')

/** More than any that we write, which has a line of some 60 bytes a shard. */
const MAX_MANIFEST_BYTES = 64 * 2 ** 20

/**
 * Looks for files where a server sees them, and reads the manifests beside them: the client needs to see neither.
 *
 * @param open - makes a session of a graph on the server that reads the files
 * @param files - paths, patterns or URLs
 * @throws `Storage` when no file is there, `Corrupt` for a manifest that is none, `Limit` for one of more than 64 MiB, `Schema` when some shards hold raw columns and
 *   others transformed ones, or are packed in another way
 */
export const findServerShards = (open: (graph: Uint8Array) => Job<Session>, files: readonly string[]): Job<ServerShards> => job(async (context) => {
  const graph = new Graph()
  const patterns = graph.placeholder('patterns', 'string', [null])
  const matched = graph.one('MatchingFiles', [patterns])
  const file = graph.placeholder('file', 'string', [])
  const contents = graph.one('ReadFile', [file])
  const length = graph.one('StringLength', [contents])
  const session = await run(open(graph.encode()), context)
  try {
    const match = async (wanted: readonly string[]): Promise<string[]> => {
      const [found] = await session.run({ feeds: { [patterns.name]: wanted }, fetches: [matched.name] }, context)
      return tensorTexts(found!)
    }
    const found = await match(files)
    if (found.length === 0) {
      throw failure({
        tag: 'Storage', code: 'NOT_FOUND', problem: `no file matches ${files.join(', ')} where ${session.runtime.target || 'TensorFlow'} looks`,
        remedy: 'Give paths as the workers see them, on storage that all of them share.', position: { source: files[0]! },
      })
    }
    const wanted = [...new Set(found.map((name) => manifestName(prefixOf(name))))]
    const manifests: PlacedManifest[] = []
    for (const name of await match(wanted)) {
      const [size] = await session.run({ feeds: { [file.name]: name }, fetches: [length.name] }, context)
      const [bytes = 0] = tensorNumbers(size)
      // Before it comes here. TensorFlow counts in 32 bits.
      if (bytes > MAX_MANIFEST_BYTES || bytes < 0) throw failure({ tag: 'Limit', code: 'MANIFEST_TOO_LARGE', problem: `the manifest has more than ${MAX_MANIFEST_BYTES} bytes`, position: { source: name } })
      const [read] = await session.run({ feeds: { [file.name]: name }, fetches: [contents.name] }, context)
      const [text = ''] = tensorTexts(read!)
      manifests.push({ folder: folderOf(name), manifest: parseManifest(text, name) })
    }
    return { files: found, described: describeShards(found, manifests) }
  } finally {
    await session.close()
  }
})

interface PlacedManifest {
  readonly folder: string
  readonly manifest: ShardManifest
}

const describeShards = (files: readonly string[], manifests: readonly PlacedManifest[]): DescribedShards | undefined => {
  let described: DescribedShards | undefined
  for (const file of files) {
    const owner = manifests.find(({ folder, manifest }) => folder === folderOf(file) && manifest.shards.some((shard) => shard.file === nameOf(file)))?.manifest
    if (owner === undefined) return undefined
    const { holds, compression, columns } = owner
    if (described !== undefined && (described.holds !== holds || described.compression !== compression)) {
      throw failure({
        tag: 'Schema', code: 'MIXED_SHARDS',
        problem: `some shards hold ${described.holds} rows (compression ${described.compression}), and others ${holds} ones (compression ${compression})`,
        remedy: 'Name shards of one kind.', position: { source: file },
      })
    }
    const { rows } = owner.shards.find((shard) => shard.file === nameOf(file))!
    described = { holds, compression, rows: (described?.rows ?? 0) + rows, columns: described?.columns ?? columns }
  }
  return described
}
