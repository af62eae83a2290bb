export { registerWasmKernels } from './register.js'
