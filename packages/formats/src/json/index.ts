export { readJson } from './read-json.js'
export type { JsonFormat, JsonOptions } from './json-options.js'
export { writeJson } from './write-json.js'
export type { WriteJsonOptions } from './write-json.js'
