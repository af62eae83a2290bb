export { openEventFile } from './event-file.js'
export type { EventFile } from './event-file.js'
