/** What the server says went wrong, with its SQLSTATE. */
export class HiveFault extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** Codes by which `sqlError` knows what is meant. */
export const hiveCodes = { denied: '28000', lost: '08000', missing: '42P01' } as const

/** A connection that is over. */
export const connectionLost = (): HiveFault => new HiveFault(hiveCodes.lost, 'the connection is in closed state')

/** Hive's own codes for names that are not there: its SQLSTATE is 42000 for most that is wrong with a query. */
const missingNames = new Set([10_001, 10_002, 10_004, 10_072])

const prefix = /^(?:(?:Error running query|Failed to open new session|Error while compiling statement|Error while processing statement): |\[[A-Z_.]+\] (?=[\w.$]+: )|[\w.$]+(?:Exception|Error): )+/

/** The words of an exception without its class and its stack. */
const words = (message: string): string => message.split(/\n\s*at /)[0]!.replace(prefix, '').replace(/\s+/g, ' ').trim().slice(0, 2000)

/** The error that a status of the server stands for. */
export const faultOf = (status: { readonly sqlState: string | undefined; readonly errorCode: number | undefined; readonly message: string | undefined }): HiveFault => {
  const message = words(status.message ?? '') || 'the server does not say why'
  // Hive's 08S01 is whatever fails while a query runs.
  const state = status.sqlState === undefined || /^08/.test(status.sqlState) ? 'HIVE' : status.sqlState
  const isMissing = missingNames.has(status.errorCode ?? 0) || /^42(S02|S22|704|P01|703)$/.test(state) || /TABLE_OR_VIEW_NOT_FOUND|SCHEMA_NOT_FOUND|UNRESOLVED_COLUMN/.test(message)
  return new HiveFault(isMissing ? hiveCodes.missing : state, message)
}
