export { gradients } from './gradients.js'
export type { GradientOptions } from './gradients.js'
export { isIndexedSlices, sumDuplicates, toDense } from './indexed-slices.js'
export type { Gradient, IndexedSlices } from './indexed-slices.js'
