export type { ProgressEvent, ProgressListener } from './progress.js'
export { terminalProgress } from './terminal-progress.js'
export type { ProgressOutput, TerminalProgressOptions } from './terminal-progress.js'
