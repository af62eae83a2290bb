import { compressionOfName, packedEnding, requireTextCompression, textPackedWriter, type TextCompression } from '../compression/index.js'
import type { FileFormat } from './file-writer.js'
import { folderRules, type FolderOptions } from './folder-options.js'
import { TextWriter, type FileText } from './text-writer.js'
import type { OptionRules, Schema } from '@millrace/core'

/** Options that the writers of text files share. */
export interface TextOutputOptions<K extends string = string> extends FolderOptions<K> {
  /**
   * How the file is packed. Default: as its name ends, `.gz`, `.br`, `.zst` or `.deflate`, else `none`. `zst` takes Node 22.15 or the package `@bokuweb/zstd-wasm`; brotli packs with quality 5.
   */
  readonly compression?: TextCompression | undefined
}

export const textOutputRules: OptionRules<TextOutputOptions> = { ...folderRules, compression: 'any' }

/** Rows between which the writer looks at the signal. */
const ROWS_AT_ONCE = 16_384

/**
 * A format of text files.
 *
 * @param fileText - of a file with these columns
 */
export const textFormat = (extension: string, url: string, options: TextOutputOptions, fileText: (schema: Schema) => FileText): FileFormat => {
  const compression = requireTextCompression(options.compression ?? compressionOfName(url) ?? 'none')
  return {
    ending: `.${extension}${packedEnding(compression)}`,
    groupRows: ROWS_AT_ONCE,
    open: async (output, schema) => new TextWriter(await textPackedWriter(output, compression), fileText(schema)),
  }
}
