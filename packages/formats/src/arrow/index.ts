export { arrowFileSchema, readArrow } from './read-arrow.js'
export type { ArrowOptions } from './read-arrow.js'
export { writeArrow } from './write-arrow.js'
export type { WriteArrowOptions } from './write-arrow.js'
