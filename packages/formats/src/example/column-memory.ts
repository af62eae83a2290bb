import type { Values } from '@millrace/core'
import { freshBytes } from './fresh-bytes.js'

/** Copies the values of a column to where they stay. */
export type ColumnCopy = <V extends Values>(values: V) => V

/** A buffer for each, so that a column that is kept keeps no other. */
export const toOwnBuffer: ColumnCopy = (values) => values.slice() as typeof values

const batchBuffers = new WeakSet<ArrayBufferLike>()
let isTogether = false

/**
 * Lets the columns of a batch that are copied on this thread lie together in one buffer from now on. For a thread that hands them over: to give
 * a small buffer away, and to take it, costs as much as a large one.
 */
export const keepColumnsTogether = (): void => void (isTogether = true)

/** Whether a buffer holds columns of one batch, and nothing else. */
export const isBatchBuffer = (buffer: ArrayBufferLike): boolean => batchBuffers.has(buffer)

/** Bytes that values take among others: each begins where 64-bit values may. */
export const bytesTogether = (byteLength: number): number => (byteLength + 7) & ~7

/** Where the columns of a batch go. @param size - tells the bytes of all, each by {@link bytesTogether}, where that matters */
export const columnCopy = (size: () => number): ColumnCopy => {
  if (!isTogether) return toOwnBuffer
  const { buffer } = freshBytes(size())
  batchBuffers.add(buffer)
  let at = 0
  return <V extends Values>(values: V): V => {
    const out = new (values.constructor as new (buffer: ArrayBufferLike, byteOffset: number, length: number) => V)(buffer, at, values.length)
    out.set(values as never)
    at += bytesTogether(out.byteLength)
    return out
  }
}
