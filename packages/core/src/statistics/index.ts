export { statistics } from './statistics.js'
export type { ColumnStatistics, StatisticsOptions, StreamStatistics } from './statistics.js'
