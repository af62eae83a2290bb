export { job, run } from './job.js'
export type { Job, RunContext } from './job.js'
export { pipe, flow } from 'fp-ts/lib/function.js'
export { giveTurn } from './give-turn.js'
