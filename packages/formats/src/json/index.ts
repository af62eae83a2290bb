export { readJson } from './read-json.js'
export type { JsonFormat, JsonOptions } from './json-options.js'
