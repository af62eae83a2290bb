import { job, type Job } from '@millrace/core'
import { loadLibrary } from './bindings.js'

/** The libtensorflow of this process. */
export interface NativeLibrary {
  readonly path: string
  /** `2.21.0` */
  readonly version: string
}

/**
 * Loads libtensorflow into this process, where it stays, and says which it is.
 *
 * @param path - of the library, or of a folder that holds it; default: the environment's `LIBTENSORFLOW`, then an installed tfjs-node, then Python's TensorFlow
 * @throws `MissingPeer` when it is not there or cannot be used
 */
export const nativeLibrary = (path?: string): Job<NativeLibrary> => job(async () => {
  const { path: found, version } = await loadLibrary(path)
  return { path: found, version }
})
