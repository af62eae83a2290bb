export type { FolderOptions } from './folder-options.js'
