export type { FolderOptions, HasColumns } from './folder-options.js'
