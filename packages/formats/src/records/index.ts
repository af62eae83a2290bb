// The policies are core's, since its own sources have them too; users of readers find them here.
export { quarantine, readQuarantine, rejectRecord, requirePolicy, skipRecords, withQuarantine } from '@millrace/core'
export type { OnBadRecord, Quarantine, RejectedRecord } from '@millrace/core'
export { badValue } from './bad-value.js'
export type { RecordFault } from './bad-value.js'
