export * from './cluster/index.js'
export * from './training/index.js'
