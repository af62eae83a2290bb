export { permutation, randomFrom } from './random.js'
export type { Random } from './random.js'
