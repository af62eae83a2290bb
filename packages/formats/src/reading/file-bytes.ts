import { failure, readBytes, type FileInfo } from '@millrace/core'

/** Options of {@link fileBytes}. */
export interface FileBytesOptions {
  /** First byte. Default 0. */
  readonly start?: number | undefined
  /** Byte after the last. Default: the end of the file. */
  readonly end?: number | undefined
  /** Whether a chunk is good only until the next one is asked for. Default false. */
  readonly reuse?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Told of bytes taken from storage. */
  readonly onRead?: ((bytes: number) => void) | undefined
}

/**
 * The bytes of a file to its end. A file that ends before the size that it had when it was listed was cut while it was read:
 * in line-based text nothing else would show it.
 *
 * @throws `Corrupt` FILE_SHRANK
 */
export async function* fileBytes({ url, size }: FileInfo, { start = 0, end, reuse, signal, onRead }: FileBytesOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  let at = start
  for await (const chunk of readBytes(url, { start, end, reuse, signal })) {
    at += chunk.length
    onRead?.(chunk.length)
    yield chunk
  }
  if (size === undefined || at >= Math.min(size, end ?? size)) return
  throw failure({
    tag: 'Corrupt', code: 'FILE_SHRANK', problem: `the file ended at byte ${at}, and it had ${size} bytes when it was opened`,
    remedy: 'Read it again once it is written: something cut or replaced it in between.', position: { source: url, byte: at },
  })
}
