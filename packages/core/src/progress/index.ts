export type { ProgressEvent, ProgressListener } from './progress.js'
