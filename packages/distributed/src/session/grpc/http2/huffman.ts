import { errorCode, ProtocolError } from './error-code.js'

/**
 * Bits of each byte's code, and of the end of the string (RFC 7541, appendix B). The code is canonical: shorter codes come first, among
 * them those of smaller bytes, so that the lengths say it all.
 */
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]
const END = 256
const MAX_CODE_BITS = 30

/** Bytes in the order of their codes; by the number of bits: the first code, and the place of its byte. */
const symbols = new Uint16Array(CODE_LENGTHS.length)
const firstCode = new Int32Array(MAX_CODE_BITS + 2)
const firstSymbol = new Int32Array(MAX_CODE_BITS + 2)

let place = 0
for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
  firstSymbol[bits] = place
  CODE_LENGTHS.forEach((length, symbol) => {
    if (length === bits) symbols[place++] = symbol
  })
  firstCode[bits + 1] = (firstCode[bits]! + place - firstSymbol[bits]!) * 2
}
firstSymbol[MAX_CODE_BITS + 1] = place

/** The byte of a code, `undefined` for none of so many bits. */
const symbolOf = (code: number, bits: number): number | undefined => {
  const index = firstSymbol[bits]! + code - firstCode[bits]!
  return index < firstSymbol[bits + 1]! ? symbols[index] : undefined
}

const bad = (what: string): ProtocolError => new ProtocolError(errorCode.compressionError, `a header in a Huffman code ${what}`)

/** A string in the code of headers. It becomes at most 8/5 as long. @throws ProtocolError */
export const decodeHuffman = (bytes: Uint8Array): string => {
  const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 8) / 5))
  let length = 0
  let code = 0
  let bits = 0
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1)
      bits += 1
      const symbol = symbolOf(code, bits)
      if (symbol === undefined) continue
      if (symbol === END) throw bad('that ends within')
      out[length++] = symbol
      code = 0
      bits = 0
    }
  }
  // The last byte is filled up with ones.
  if (bits > 7 || code !== 2 ** bits - 1) throw bad('that is cut off')
  return out.toString('latin1', 0, length)
}
