/** ASCII letters, digits and the apostrophe, and every byte of a character beyond ASCII. Upper-case letters are given as lower-case. */
const wordBytes = ((): Uint8Array => {
  const table = new Uint8Array(256)
  const keep = (from: number, to: number, shift = 0): void => {
    for (let byte = from; byte <= to; byte++) table[byte] = byte + shift
  }
  keep(0x30, 0x39)
  keep(0x41, 0x5a, 32)
  keep(0x61, 0x7a)
  keep(0x27, 0x27)
  keep(0x80, 0xff)
  return table
})()

/**
 * Cuts UTF-8 text into words, with ASCII letters in lower case: words are runs of ASCII letters, digits, apostrophes and characters
 * beyond ASCII; all else is between them. `@millrace/export` lowers the same rule.
 */
export class WordReader {
  /** Holds the word that was read last, from 0 to `length`; only valid until the next one is read. */
  bytes = new Uint8Array(64)
  length = 0
  private text: Uint8Array = new Uint8Array(0)
  private at = 0
  private end = 0

  /** Begins with the first word of `bytes[start..end]`. */
  open(bytes: Uint8Array, start: number, end: number): void {
    this.text = bytes
    this.at = start
    this.end = end
  }

  /** Reads one more word; false where there is none. */
  next(): boolean {
    const { text, end } = this
    let { at } = this
    while (at < end && wordBytes[text[at]!] === 0) at++
    const start = at
    while (at < end && wordBytes[text[at]!] !== 0) at++
    this.at = at
    this.length = at - start
    if (this.length > this.bytes.length) this.bytes = new Uint8Array(Math.max(this.length, this.bytes.length * 2))
    for (let i = 0; i < this.length; i++) this.bytes[i] = wordBytes[text[start + i]!]!
    return this.length > 0
  }
}
