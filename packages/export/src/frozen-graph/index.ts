export { exportFrozenGraph } from './export-frozen-graph.js'
export type { ExportFrozenGraphOptions, FrozenReport } from './export-frozen-graph.js'
