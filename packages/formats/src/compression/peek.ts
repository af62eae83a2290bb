/** Puts chunks together until there are `count` bytes, for a look at the head; gives back all of them with the rest. */
export const peek = async (chunks: AsyncIterable<Uint8Array>, count: number): Promise<{ readonly head: Uint8Array; readonly chunks: AsyncGenerator<Uint8Array, void, undefined> }> => {
  const iterator = chunks[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  let size = 0
  while (size < count) {
    // The chunk before may be overwritten when the next one is asked for.
    if (held.length > 0) held.push(held.pop()!.slice())
    const next = await iterator.next()
    if (next.done === true) break
    held.push(next.value)
    size += next.value.length
  }
  const head = new Uint8Array(Math.min(size, count))
  let at = 0
  for (const chunk of held) {
    head.set(chunk.subarray(0, head.length - at), at)
    at = Math.min(head.length, at + chunk.length)
  }
  const all = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* held
      for (;;) {
        const next = await iterator.next()
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await iterator.return?.()
    }
  }
  return { head, chunks: all() }
}
