import { randomBytes } from 'node:crypto'
import { failure, parsePartition, throwIfAborted, type RunContext, type Schema } from '@millrace/core'
import { sqlError } from '../sql-error.js'
import { describeSource, quotedTable, type SqlTableSource } from '../sql-statement.js'
import { createHiveTable } from './hive-create.js'
import { hiveDialect } from './hive-dialect.js'
import { hiveCodes, HiveFault } from './hive-fault.js'
import type { HiveSession } from './hive-session.js'
import { withHive, type HiveWriting } from './hive-writing.js'

/** Files that are written, and the table that they go to. */
export interface HiveLoading extends HiveWriting {
  readonly session: HiveSession
  readonly context: RunContext
  /** Whether the table was there before the files were written. */
  readonly exists: boolean
  /** The columns of the table. */
  readonly schema: Schema
  /** URLs of the files, below `root`. */
  readonly files: readonly string[]
  readonly root: string
  /** `root` as the server names it. */
  readonly onServer: string
}

/** One `LOAD DATA`: a folder of files, and the partition that they are of. */
interface Part {
  readonly folder: string
  /** `PARTITION (…)`, or nothing. */
  readonly partition: string
}

/**
 * Moves files into a table: into the one that is there, or into one of another name that then takes it.
 *
 * @returns the number of partitions
 */
export const loadHive = async (loading: HiveLoading): Promise<number> => {
  const { target, exists } = loading
  const parts = partsOf(loading)
  if (exists) await loadParts(loading, target, parts)
  else await fillNew(loading, parts)
  return loading.partitionBy.length === 0 ? 0 : parts.length
}

const fillNew = async (loading: HiveLoading, parts: readonly Part[]): Promise<void> => {
  const { session, target, schema, partitionBy, context } = loading
  const made = { ...target, table: `millrace_${randomBytes(8).toString('hex')}` }
  const name = quotedTable(hiveDialect, made)
  try {
    await session.query({ sql: createHiveTable(name, schema, partitionBy), parameters: [] })
    await loadParts(loading, made, parts)
    throwIfAborted(context.signal)
    await session.query({ sql: `ALTER TABLE ${name} RENAME TO ${quotedTable(hiveDialect, target)}`, parameters: [] })
  } catch (error) {
    // The session may be broken, or stopped.
    await withHive(loading, {}, (other) => other.query({ sql: `DROP TABLE IF EXISTS ${name}`, parameters: [] })).catch(() => undefined)
    throw error
  }
}

const loadParts = async ({ session, server, target, ifExists, exists, onServer, context }: HiveLoading, into: SqlTableSource, parts: readonly Part[]): Promise<void> => {
  const stage = `loading ${describeSource(target)} on ${server.name}`
  for (const [done, { folder, partition }] of parts.entries()) {
    context.progress?.({ stage, done, total: parts.length, unit: 'steps' })
    const sql = `LOAD DATA INPATH '${onServer}${folder}'${ifExists === 'replace' ? ' OVERWRITE' : ''} INTO TABLE ${quotedTable(hiveDialect, into)}${partition}`
    await session.query({ sql, parameters: [] }).catch((error: unknown) => {
      throwIfAborted(context.signal)
      throw sqlError(error, server, `loading ${describeSource(target)}${partition} failed, ${exists ? left(error, done, parts.length) : 'and left no table'}`)
    })
  }
  context.progress?.({ stage, done: parts.length, total: parts.length, unit: 'steps', finished: true })
}

/** What a failure leaves in a table that was there. */
const left = (error: unknown, done: number, of: number): string => {
  const before = done === 0 ? '' : `${done} of ${of} partitions are loaded, and `
  const isLost = !(error instanceof HiveFault) || error.code === hiveCodes.lost
  return `${before}${isLost ? 'whether the server did this one the table tells' : done === 0 ? 'and left it as it was' : 'this one is as it was'}`
}

/** Values that a statement names in quotes, whatever the server makes of backslashes and `${…}`. */
const plainValue = /^[^'"\\${}\p{Cc}]+$/u

const partsOf = ({ files, root, partitionBy }: HiveLoading): readonly Part[] => {
  if (partitionBy.length === 0) return files.map((url) => ({ folder: url.slice(root.length), partition: '' }))
  const folders = [...new Set(files.map((url) => url.slice(root.length, url.lastIndexOf('/'))))]
  return folders.map((folder) => ({ folder, partition: ` PARTITION (${partitionBy.map((name) => `${hiveDialect.quote(name)}='${valueOf(folder, name)}'`).join(', ')})` }))
}

const valueOf = (folder: string, name: string): string => {
  const value = parsePartition(folder.split('/'))?.[name] ?? ''
  if (plainValue.test(value)) return value
  throw failure({
    tag: 'BadRecord', code: 'HIVE_PARTITION', position: { column: name },
    problem: value === '' ? 'rows without a value cannot be loaded into a partition' : `no statement can name the partition ${JSON.stringify(value.slice(0, 80))}`,
    remedy: 'Leave such rows out, give them another value, or do not partition by the column.',
  })
}
