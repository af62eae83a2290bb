import { hasTag, isMillraceError, type ErrorTag } from '@millrace/core'
import { MemoryStorage } from '../conformance/memory-storage.js'

/** A decoder, sound inputs to change, and what it may say of changed ones. */
export interface FuzzedDecoder {
  readonly name: string
  readonly sound: () => readonly Uint8Array[]
  /**
   * Decodes an input to its end.
   *
   * @throws what is wrong with the decoder; that it says what is wrong with the input is as it should be
   */
  readonly decode: (input: Uint8Array) => Promise<void> | void
}

/** Lets a decoder say what is wrong with its input, and nothing else: another error, or one that blames us, is a finding. */
export const orTyped = async (work: () => Promise<void> | void, tags: readonly ErrorTag[] = ['BadRecord', 'Corrupt', 'Schema', 'Limit']): Promise<void> => {
  try {
    await work()
  } catch (error) {
    if (!isMillraceError(error) || !tags.some((tag) => hasTag(error, tag))) throw error
  }
}

export const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

let storage: MemoryStorage | undefined

/** Lets `work` read files in memory, which come in chunks of a few bytes or whole, as the input's length has it; nothing may stay open. */
export const withFiles = async (input: Uint8Array, work: (files: MemoryStorage) => Promise<void>): Promise<void> => {
  storage ??= new MemoryStorage()
  storage.files.clear()
  storage.chunkBytes = input.length % 3 === 0 ? 7 : 1 << 20
  await work(storage)
  if (storage.open !== 0) throw new Error('a file was left open')
}
