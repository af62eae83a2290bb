export { replayBuffer } from './replay-buffer.js'
export type { PrioritizedOptions, PrioritizedSchema, ReplayBuffer, ReplayBufferOptions, ReplayState, SampleOptions, SamplesOptions } from './replay-buffer.js'
