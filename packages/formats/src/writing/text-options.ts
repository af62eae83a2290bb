import { requireCompression, type Compression } from '../compression/index.js'
import type { FileFormat } from './file-writer.js'
import type { FolderOptions } from './folder-options.js'
import { TextWriter, type BatchText } from './text-writer.js'
import type { Schema } from '@millrace/core'

/** Options that the writers of text files share. */
export interface TextOutputOptions extends FolderOptions {
  /** How the file is packed. Default: `gzip` for a name that ends in `.gz`, else `none`. */
  readonly compression?: Compression | undefined
}

/** Rows between which the writer looks at the signal. */
const ROWS_AT_ONCE = 16_384

const endings: { readonly [C in Compression]: string } = { none: '', gzip: '.gz', zlib: '.deflate' }

/** What names of packed files in folders end in, as Hadoop's codecs are named. */
export const packedEnding = (compression: Compression): string => endings[compression]

/**
 * A format of text files.
 *
 * @param text - of the columns of a file: what stands before the rows, and the rows of a batch
 */
export const textFormat = (extension: string, url: string, options: TextOutputOptions, text: (schema: Schema) => { readonly head: string; readonly batchText: BatchText }): FileFormat => {
  const compression = requireCompression(options.compression ?? (/\.gz$/i.test(url) ? 'gzip' : 'none'))
  return {
    ending: `.${extension}${packedEnding(compression)}`,
    groupRows: ROWS_AT_ONCE,
    open: (output, schema) => {
      const { head, batchText } = text(schema)
      return new TextWriter(output, compression, head, batchText)
    },
  }
}
