export type { InputOptions } from './input-options.js'
export type { PackedTextOptions } from './open-text.js'
export type { Condition, Where } from '../values/index.js'
