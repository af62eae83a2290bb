import { failure, requireCount, requireOneOf, type IfExists, type OptionRules, type Schema } from '@millrace/core'

/** Whether a stream has the columns `K`, for the compiler; where the names are not known to it, that is told when the job runs. */
export type HasColumns<S extends Schema, K extends string> = string extends K ? unknown : [K] extends [keyof S] ? unknown : { readonly 'a column that the stream lacks': Exclude<K, keyof S> }

/**
 * Options of the writers of files that make them write a folder of files.
 *
 * @typeParam K - names of the columns that `partitionBy` has
 */
export interface FolderOptions<K extends string = string> {
  /**
   * Columns whose values become folders, as Hive and Spark have them: `partitionBy: ['date', 'country']` writes
   * `date=2026-11-24/country=de/part-00000.csv` and so on in the folder of the output's name. `[]` writes a folder without partitions.
   * Default: one output under its name.
   */
  readonly partitionBy?: readonly K[] | undefined
  /** With `partitionBy`: files of each partition, rows going to them in turn. Default 1. */
  readonly shards?: number | undefined
  /** With `partitionBy`: most rows in a file; the next file follows. Default: no limit. */
  readonly rowsPerFile?: number | undefined
  /** With `partitionBy`: a file that has so many bytes is ended when the next batch comes. Default: no limit. */
  readonly bytesPerFile?: number | undefined
  /**
   * With `partitionBy`: files that are written at one time. When there are more partitions, the file whose turn was longest ago is
   * ended, and its partition has another one later: sort the stream by the partitions to have few files. Default 64.
   */
  readonly openFiles?: number | undefined
  /** With `partitionBy`: whether an empty file `_SUCCESS` appears when all is written, as jobs of Spark leave it. Default true. */
  readonly success?: boolean | undefined
  /**
   * What to do when the output exists. With `partitionBy`, `replace` removes all `part-…` files that are in the folder, and `append`
   * leaves them; of two jobs that give their files names at one time the later one fails. Default `fail`.
   */
  readonly ifExists?: IfExists | 'append' | undefined
}

export const folderRules: OptionRules<FolderOptions> = {
  partitionBy: 'any', shards: 'any', rowsPerFile: 'any', bytesPerFile: 'any', openFiles: 'any', success: 'boolean', ifExists: 'any',
}

/** Checks the options. @throws `Usage` for those that make no sense */
export const requireFolderOptions = (options: FolderOptions, use: string): void => {
  const { partitionBy, shards, rowsPerFile, bytesPerFile, openFiles, success } = options
  for (const [name, value] of Object.entries({ shards, rowsPerFile, bytesPerFile, openFiles })) if (value !== undefined) requireCount(value, 1, `${name} of ${use}`)
  if (partitionBy !== undefined) {
    requireOneOf('ifExists', options.ifExists ?? 'fail', ['fail', 'replace', 'append'])
    if (new Set(partitionBy).size < partitionBy.length) throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `partitionBy of ${use} names a column twice` })
    return
  }
  requireOneOf('ifExists', options.ifExists ?? 'fail', ['fail', 'replace'])
  const given = Object.entries({ rowsPerFile, bytesPerFile, openFiles, success }).find(([, value]) => value !== undefined)
  if (given !== undefined) throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `${given[0]} of ${use} is an option of folders`, remedy: 'Give partitionBy too, [] for a folder without partitions.' })
}

/** Of writers whose one output is one file. @throws `Usage` for `shards` without `partitionBy` */
export const requireOneFile = (options: FolderOptions, use: string): void => {
  if (options.partitionBy !== undefined || options.shards === undefined) return
  throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `shards of ${use} is an option of folders`, remedy: 'Give partitionBy too, [] for a folder without partitions.' })
}
