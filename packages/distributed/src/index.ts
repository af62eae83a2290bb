export * from './cluster/index.js'
export * from './gradients/index.js'
export * from './training/index.js'
