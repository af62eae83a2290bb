export type { WorkerOptions } from './worker-options.js'
export { serveReads } from './serve.js'
