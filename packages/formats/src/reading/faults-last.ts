import { fromUnknown, hasTag, type MillraceError } from '@millrace/core'

/** Chunks that end where something goes wrong, so that what came before it can be used up first. */
export interface FaultsLast {
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>
  /** What went wrong, to be thrown after the rows before it. */
  readonly fault: MillraceError | undefined
}

/** The same chunks; an abort is thrown at once. */
export const faultsLast = (source: AsyncIterable<Uint8Array>): FaultsLast => {
  let fault: MillraceError | undefined
  const chunks = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* source
    } catch (error) {
      if (hasTag(error, 'Aborted')) throw error
      fault = fromUnknown(error)
    }
  }
  return {
    chunks: chunks(),
    get fault() {
      return fault
    },
  }
}
