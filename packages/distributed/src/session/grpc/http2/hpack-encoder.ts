import { STATIC_TABLE } from './static-table.js'

/** The peer's table of headers becomes empty, whatever size it allows, and stays so: a block then means the same at any time. */
const NO_TABLE = 0x20
/** A header whose name and value have a number together, and one that the peer is not to number. */
const INDEXED = 0x80
const LITERAL = 0x00

const pushInteger = (out: number[], first: number, bits: number, value: number): void => {
  const most = 2 ** bits - 1
  if (value < most) return void out.push(first | value)
  out.push(first | most)
  let rest = value - most
  for (; rest > 127; rest >>>= 7) out.push((rest & 127) | 128)
  out.push(rest)
}

const pushString = (out: number[], text: string): void => {
  pushInteger(out, 0, 7, text.length)
  out.push(...Buffer.from(text, 'latin1'))
}

/**
 * Headers of a request, compressed by nothing but the static table: the same bytes can be sent again for the next request.
 *
 * @param headers - of Latin letters; names in lower case, pseudo-headers first
 */
export const encodeHeaders = (headers: readonly (readonly [name: string, value: string])[]): Buffer => {
  const out: number[] = [NO_TABLE]
  for (const [name, value] of headers) {
    const whole = STATIC_TABLE.findIndex((known) => known[0] === name && known[1] === value)
    if (whole > 0) {
      pushInteger(out, INDEXED, 7, whole)
      continue
    }
    const named = Math.max(0, STATIC_TABLE.findIndex((known) => known[0] === name))
    pushInteger(out, LITERAL, 4, named)
    if (named === 0) pushString(out, name)
    pushString(out, value)
  }
  return Buffer.from(out)
}
