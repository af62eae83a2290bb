import { randomBytes } from 'node:crypto'
import { committingName, failure, makeBatch, markerText, openOutputSet, pendingManifest, removeEmptyFolders, requireCommitted, throwIfAborted, type Batch, type Column, type RunContext, type Schema } from '@millrace/core'
import type { FileFormat } from './file-writer.js'
import { FolderFiles } from './folder-files.js'
import { filesIn, folderManifest, hasForeignManifest, manifestOf } from './folder-manifest.js'
import type { FolderOptions } from './folder-options.js'
import { fileSchema, rowsByFolder } from './partition-folders.js'

/** Rows and bytes of the files of a folder. */
export interface FolderReport {
  readonly files: readonly string[]
  readonly rows: number
  readonly bytes: number
}

const nameOf = (url: string): string => url.slice(url.search(/[^/\\]*$/))

/** The files of earlier jobs, which `replace` removes. @throws `AlreadyExists` for files that no job of ours wrote, and where there may be none */
const earlierFiles = async (root: string, { manifest }: FileFormat, ifExists: 'fail' | 'replace' | 'append', signal: AbortSignal | undefined): Promise<readonly string[]> => {
  if (ifExists === 'append') return []
  const files = await filesIn(root, signal)
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
 * What was there is looked at before the first row is asked for, and again where `_COMMITTING` is taken: another job may have ended meanwhile.
 *
 * @throws `Corrupt` SET_NOT_WHOLE where another job gives its files their names just then, and where files are added to what a killed one has left
 */
export const writeFolder = async (url: string, format: FileFormat, options: FolderOptions, known: Schema, batches: AsyncIterable<Batch>, { signal, progress }: RunContext): Promise<FolderReport> => {
  const { partitionBy = [], shards = 1, ifExists = 'fail', success = true } = options
  const root = url.replace(/(?<=[^/])\/+$/, '')
  const schema = fileSchema(known, partitionBy)
  const contents = { root, format, schema, adds: ifExists === 'append', signal }
  const job = randomBytes(4).toString('hex')
  const mark = ifExists === 'append' ? `-${job}` : ''
  const done = `${root}/_SUCCESS`
  await earlierFiles(root, format, ifExists, signal)
  if (ifExists !== 'replace') await requireCommitted(root, undefined, signal)
  const leftover = ifExists === 'replace' ? await markerText(committingName(root), signal) : undefined
  const committing = { url: committingName(root), pending: pendingManifest('millrace.folder', { files: `part-*${mark}${format.ending}`, job }), ifExists: 'fail', leftover } as const
  await folderManifest(contents, new Map())
  const markers = [committing, ...(success || ifExists === 'replace' ? [{ url: done }] : [])]
  const set = await openOutputSet([], { ifExists: ifExists === 'append' ? 'fail' : ifExists, signal, markers })
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
    if (success) await set.add(done, { ifExists: 'replace' })
    let stale: readonly string[] = []
    await set.commit(async () => {
      stale = await earlierFiles(root, format, ifExists, signal)
      const manifest = await folderManifest(contents, files.counts)
      if (manifest !== undefined) await (await set.add(manifestOf(root), { ifExists: 'replace' })).write(Buffer.from(manifest))
      return stale
    })
    await removeEmptyFolders(root, stale)
    progress?.({ stage: `writing ${root}`, done: rows, unit: 'rows', finished: true })
    return { files: [...files.counts.keys()].sort((a, b) => (a < b ? -1 : 1)), rows, bytes: files.bytes }
  } catch (error) {
    await files.settle()
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
