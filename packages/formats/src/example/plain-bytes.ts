/**
 * The same bytes as a plain `Uint8Array`. Node's `Buffer` is a subclass, and a loop that has met both classes checks at every byte
 * which one it has: half the speed, for everybody, from then on.
 */
export const plainBytes = (bytes: Uint8Array): Uint8Array =>
  bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
