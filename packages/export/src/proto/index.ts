export { google, tensorflow } from './generated/tensorflow.js'
export { fromInt64, int64ToNumber, toInt64 } from './int64.js'
export type { Int64Bits } from './int64.js'
