export { rejectRecord, requirePolicy, skipRecords } from './bad-records.js'
export type { OnBadRecord, Quarantine, RejectedRecord } from './bad-records.js'
export { quarantine, readQuarantine, withQuarantine } from './quarantine.js'
