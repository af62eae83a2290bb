import { randomBytes } from 'node:crypto'
import { committingName, failure, listFolder, makeBatch, openOutputSet, pendingManifest, removeEmptyFolders, requireCommitted, throwIfAborted, type Batch, type Column, type RunContext, type Schema } from '@millrace/core'
import type { FileFormat } from './file-writer.js'
import { FolderFiles } from './folder-files.js'
import { folderManifest, hasForeignManifest, manifestOf } from './folder-manifest.js'
import type { FolderOptions } from './folder-options.js'
import { fileSchema, rowsByFolder } from './partition-folders.js'

/** Rows and bytes of the files of a folder. */
export interface FolderReport {
  readonly files: readonly string[]
  readonly rows: number
  readonly bytes: number
}

const nameOf = (url: string): string => url.slice(url.search(/[^/\\]*$/))

/** The files of earlier jobs, which `replace` removes. @throws `AlreadyExists` for files that no job of ours wrote, `Corrupt` for ones to which none can be added */
const earlierFiles = async (root: string, { manifest }: FileFormat, ifExists: 'fail' | 'replace' | 'append', signal: AbortSignal | undefined): Promise<readonly string[]> => {
  if (ifExists === 'append') {
    await requireCommitted(root, undefined, signal)
    return []
  }
  const files = (await listFolder(root, signal)).map(({ url }) => url)
  if (ifExists === 'fail' && files.length > 0) {
    throw failure({ tag: 'AlreadyExists', code: 'OUTPUT_EXISTS', problem: 'the folder has files in it already', remedy: "Pass ifExists: 'replace' or 'append', or write to another folder.", position: { source: root } })
  }
  const changesManifest = ifExists === 'replace' || manifest !== undefined
  const foreign = files.find((url) => !/^(part-|_)/.test(nameOf(url))) ?? (changesManifest && (await hasForeignManifest(root, signal)) ? manifestOf(root) : undefined)
  if (foreign !== undefined) {
    throw failure({ tag: 'AlreadyExists', code: 'FOREIGN_FILES', problem: `the folder also holds ${foreign}, which no such job wrote`, remedy: 'Move it away, or write to a folder of its own.', position: { source: root } })
  }
  return ifExists === 'replace' ? [...files, manifestOf(root)] : files
}

/**
 * Writes a stream as a folder of files, which appear together when all are written: nothing of a job that fails or is aborted. While they get
 * their names `_COMMITTING` is there and `_SUCCESS` is not, so that readers refuse what a process leaves that is killed then.
 *
 * @param known - the columns of the batches
 * @throws `Corrupt` SET_NOT_WHOLE where another job gives its files their names just then, unless all are replaced
 */
export const writeFolder = async (url: string, format: FileFormat, options: FolderOptions, known: Schema, batches: AsyncIterable<Batch>, { signal, progress }: RunContext): Promise<FolderReport> => {
  const { partitionBy = [], shards = 1, ifExists = 'fail', success = true } = options
  const root = url.replace(/(?<=[^/])\/+$/, '')
  const schema = fileSchema(known, partitionBy)
  const stale = await earlierFiles(root, format, ifExists, signal)
  const manifest = await folderManifest(root, format, schema, ifExists === 'append', signal)
  const mark = ifExists === 'append' ? `-${randomBytes(4).toString('hex')}` : ''
  const done = `${root}/_SUCCESS`
  const committing = { url: committingName(root), pending: pendingManifest('millrace.folder', { files: `part-*${mark}${format.ending}` }), ifExists: ifExists === 'replace' ? ifExists : 'fail' } as const
  const markers = [committing, ...(success || ifExists === 'replace' ? [{ url: done }] : [])]
  const set = await openOutputSet([], { ifExists: ifExists === 'append' ? 'fail' : ifExists, signal, stale, markers })
  const files = new FolderFiles(set, root, format, options, mark)
  try {
    const inFolder = new Map<string, number>()
    let rows = 0
    for await (const batch of batches) {
      for (const [folder, indices] of rowsByFolder(batch, partitionBy)) {
        throwIfAborted(signal)
        const before = inFolder.get(folder) ?? 0
        inFolder.set(folder, (before + indices.length) % shards)
        for (const [shard, own] of inTurn(indices, before, shards)) await files.write(folder, shard, narrowed(batch, schema, own))
      }
      rows += batch.numRows
      progress?.({ stage: `writing ${root}`, done: rows, unit: 'rows' })
    }
    await files.finish()
    if (manifest !== undefined) await (await set.add(manifestOf(root), { ifExists: 'replace' })).write(Buffer.from(await manifest(files.counts)))
    if (success) await set.add(done, { ifExists: 'replace' })
    await set.commit()
    await removeEmptyFolders(root, stale)
    progress?.({ stage: `writing ${root}`, done: rows, unit: 'rows', finished: true })
    return { files: [...files.counts.keys()].sort((a, b) => (a < b ? -1 : 1)), rows, bytes: files.bytes }
  } catch (error) {
    await set.abort()
    await removeEmptyFolders(root, [...files.urls, done])
    throw error
  } finally {
    files.destroy()
  }
}

/** Rows by shard: the first one goes to shard `before`, and so on in turn. */
const inTurn = (rows: Int32Array, before: number, shards: number): readonly (readonly [number, Int32Array])[] => {
  if (shards === 1) return [[0, rows]]
  return Array.from({ length: Math.min(shards, rows.length) }, (_, first) => [(before + first) % shards, rows.filter((_, i) => i % shards === first)])
}

/** Some rows of a batch with the columns that go into files. */
const narrowed = (batch: Batch, schema: Schema, rows: Int32Array): Batch => {
  const columns = Object.fromEntries(Object.keys(schema).map((name) => [name, (batch.columns as { readonly [name: string]: Column })[name]!]))
  const narrow = makeBatch(schema, columns, batch.numRows)
  return rows.length === batch.numRows ? narrow : narrow.take(rows)
}
