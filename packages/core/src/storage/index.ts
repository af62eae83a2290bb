export type { FileInfo, IfExists, Output, ReadOptions, Storage } from './storage.js'
