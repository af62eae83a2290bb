import { crc32 as nodeCrc32 } from 'node:zlib'

type Crc32 = (bytes: Uint8Array, previous: number) => number
let native: Crc32 = nodeCrc32
let nativeAsked = false

/** Loads `@node-rs/crc32` in the background, which takes a fifth of the time of Node's own. Its absence costs speed only, so it is no error. */
const askForNative = (): void => {
  nativeAsked = true
  import('@node-rs/crc32').then(
    (module) => {
      native = (bytes, previous) => module.crc32(bytes, previous)
    },
    () => undefined,
  )
}

/** CRC-32 of gzip (RFC 1952), unsigned. @param previous - that of the bytes before, 0 where there are none */
export const crc32 = (bytes: Uint8Array, previous: number): number => {
  if (!nativeAsked) askForNative()
  return native(bytes, previous) >>> 0
}
