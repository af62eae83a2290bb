export interface SqlPrograms {
  /** Paths of the program that makes a data folder, and of the server. */
  readonly programs: readonly [string, string]
  /** The folder that they were unpacked in; absent where they are installed. */
  readonly base: string | undefined
}
export function findSqlPrograms(): { readonly postgres: SqlPrograms | undefined; readonly mariadb: SqlPrograms | undefined }
