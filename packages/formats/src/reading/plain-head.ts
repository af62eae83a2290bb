import { readBytes, type FileInfo } from '@millrace/core'
import { compressionOfName, guessTextCompression } from '../compression/index.js'
import { encodingName, encodingOf, type PackedTextOptions } from './open-text.js'

/** How a file of text is packed and encoded, as its reader was told. */
interface PlainHeadOptions {
  readonly packed: PackedTextOptions
  readonly encoding: string | undefined
  readonly signal: AbortSignal | undefined
}

/** Enough for a byte order mark, for what tells packed files, and to see what a text begins with. */
const HEAD_BYTES = 64

/** The first bytes of a file of text whose bytes are UTF-8 as they stand there; `undefined` for a file that is packed or of another encoding. */
export const plainHead = async ({ url }: FileInfo, { packed, encoding, signal }: PlainHeadOptions): Promise<Uint8Array | undefined> => {
  const { compression = 'auto' } = packed
  const known = compression === 'auto' ? compressionOfName(url) : compression
  if ((known !== undefined && known !== 'none') || (encoding !== undefined && encodingName(encoding) !== 'utf-8')) return undefined
  const head: number[] = []
  for await (const chunk of readBytes(url, { end: HEAD_BYTES, signal })) head.push(...chunk)
  const bytes = Uint8Array.from(head)
  const isPacked = known === undefined && guessTextCompression(bytes) !== undefined
  return isPacked || encodingOf(bytes, encoding).name !== 'utf-8' ? undefined : bytes
}
