/**
 * XXH64 with seed 0, of which zstd stores the lower half. Numbers of 64 bits are pairs of 32: BigInt would be ten times slower.
 *
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
export class XxHash64 {
  /** Four accumulators, each lower half first. */
  private readonly lanes = new Uint32Array(8)
  private readonly held = new Uint8Array(STRIPE)
  private holds = 0
  private total = 0

  constructor() {
    const { lanes } = this
    for (const [i, value] of [P1 + P2, P2, 0n, -P1].entries()) {
      lanes[2 * i] = Number(BigInt.asUintN(32, value))
      lanes[2 * i + 1] = Number(BigInt.asUintN(32, value >> 32n))
    }
  }

  /** Takes more bytes. */
  update(bytes: Uint8Array): void {
    this.total += bytes.length
    let at = 0
    if (this.holds > 0) {
      at = Math.min(STRIPE - this.holds, bytes.length)
      this.held.set(bytes.subarray(0, at), this.holds)
      this.holds += at
      if (this.holds < STRIPE) return
      this.stripes(this.held, 0, STRIPE)
      this.holds = 0
    }
    const end = at + ((bytes.length - at) & -STRIPE)
    this.stripes(bytes, at, end)
    this.held.set(bytes.subarray(end))
    this.holds = bytes.length - end
  }

  /** Lower 32 bits of the hash of all bytes so far. */
  digestLow(): number {
    const lane = (i: number): bigint => (BigInt(this.lanes[2 * i + 1]!) << 32n) | BigInt(this.lanes[2 * i]!)
    let hash = this.total < STRIPE ? P5 : rotated(lane(0), 1n) + rotated(lane(1), 7n) + rotated(lane(2), 12n) + rotated(lane(3), 18n)
    if (this.total >= STRIPE) for (let i = 0; i < 4; i++) hash = wrap((hash ^ round(0n, lane(i))) * P1 + P4)
    hash = wrap(hash + BigInt(this.total))
    const view = new DataView(this.held.buffer)
    let at = 0
    for (; at + 8 <= this.holds; at += 8) hash = wrap(rotated(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4)
    for (; at + 4 <= this.holds; at += 4) hash = wrap(rotated(hash ^ wrap(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3)
    for (; at < this.holds; at++) hash = wrap(rotated(hash ^ wrap(BigInt(this.held[at]!) * P5), 11n) * P1)
    hash = wrap((hash ^ (hash >> 33n)) * P2)
    hash = wrap((hash ^ (hash >> 29n)) * P3)
    return Number(BigInt.asUintN(32, hash ^ (hash >> 32n)))
  }

  private stripes(bytes: Uint8Array, start: number, end: number): void {
    const { lanes } = this
    for (let at = start; at < end; at += STRIPE) {
      for (let lane = 0; lane < 8; lane += 2) {
        const i = at + lane * 4
        const low = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
        const high = bytes[i + 4]! | (bytes[i + 5]! << 8) | (bytes[i + 6]! << 16) | (bytes[i + 7]! << 24)
        // + input * P2
        const addLow = Math.imul(low, P2_LOW)
        const addHigh = highOfProduct(low, P2_LOW) + Math.imul(low, P2_HIGH) + Math.imul(high, P2_LOW)
        const sum = lanes[lane]! + (addLow >>> 0)
        const sumHigh = (lanes[lane + 1]! + addHigh + (sum > 0xffffffff ? 1 : 0)) | 0
        const sumLow = sum | 0
        // rotated by 31, then * P1
        const turnedLow = (sumLow << 31) | (sumHigh >>> 1)
        const turnedHigh = (sumHigh << 31) | (sumLow >>> 1)
        lanes[lane] = Math.imul(turnedLow, P1_LOW)
        lanes[lane + 1] = highOfProduct(turnedLow, P1_LOW) + Math.imul(turnedLow, P1_HIGH) + Math.imul(turnedHigh, P1_LOW)
      }
    }
  }
}

const STRIPE = 32
const [P1, P2, P3, P4, P5] = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n, 0x85ebca77c2b2ae63n, 0x27d4eb2f165667c5n]
const [P1_LOW, P1_HIGH, P2_LOW, P2_HIGH] = [0x85ebca87, 0x9e3779b1, 0x27d4eb4f, 0xc2b2ae3d]

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value)
const rotated = (value: bigint, bits: bigint): bigint => wrap(wrap(value) << bits) | (wrap(value) >> (64n - bits))
const round = (lane: bigint, input: bigint): bigint => wrap(rotated(lane + wrap(input * P2), 31n) * P1)

/** Upper half of the product of two unsigned numbers of 32 bits. */
const highOfProduct = (a: number, b: number): number => {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16]
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const other = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(other / 65536)) | 0
}
