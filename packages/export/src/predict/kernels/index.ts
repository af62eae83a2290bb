export { kernels } from './kernels.js'
export type { KernelContext, RunKernel } from './kernel.js'
export { tableInitializers } from './tables.js'
