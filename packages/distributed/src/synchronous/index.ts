export type { SynchronousGraph, SynchronousOptions } from './synchronous.js'
