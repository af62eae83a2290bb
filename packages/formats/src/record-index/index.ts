export { indexTfRecords, TfRecordIndex } from './index-tfrecords.js'
export type { IndexTfRecordsOptions, ShuffledOptions } from './index-tfrecords.js'
export type { IndexOptions } from './indexed-file.js'
