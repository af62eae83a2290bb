export type { InputOptions } from './input-options.js'
export type { Condition, Where } from '../values/index.js'
