/** Bytes that repeat with a period that no block size divides, so that a piece in the wrong place shows. */
export const bytesOf = (length: number): Buffer => {
  const bytes = Buffer.allocUnsafe(length)
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >> 12)) % 251
  return bytes
}

/** All chunks joined; each is copied, since a reader may use its buffer again. */
export const collect = async (chunks: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk.slice())
  return Buffer.concat(all)
}
