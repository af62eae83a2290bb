import { createHash, type Hash } from 'node:crypto'

/** MD5, by which object stores check what they are sent; `undefined` where the machine forbids it (FIPS). */
export const startMd5 = (): Hash | undefined => {
  try {
    return createHash('md5')
  } catch {
    return undefined
  }
}
