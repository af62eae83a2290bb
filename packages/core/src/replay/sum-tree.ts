/**
 * Weights of the slots of a buffer, with their sum and the slot at any point of it in logarithmic time. Each inner node is the sum of
 * the two below it, computed anew at each change, so that rounding does not add up.
 */
export class SumTree {
  private readonly leaves: number
  private readonly nodes: Float64Array

  constructor(slots: number) {
    this.leaves = 2 ** Math.ceil(Math.log2(Math.max(1, slots)))
    this.nodes = new Float64Array(2 * this.leaves)
  }

  /** Sum of all weights. */
  get total(): number {
    return this.nodes[1]!
  }

  get(slot: number): number {
    return this.nodes[this.leaves + slot]!
  }

  set(slot: number, weight: number): void {
    let node = this.leaves + slot
    this.nodes[node] = weight
    while (node > 1) {
      node >>= 1
      this.nodes[node] = this.nodes[2 * node]! + this.nodes[2 * node + 1]!
    }
  }

  /** The slot that a point from 0 to (exclusive) `total` lies in; never one of weight 0. */
  find(point: number): number {
    let node = 1
    let rest = point
    while (node < this.leaves) {
      const left = this.nodes[2 * node]!
      // By rounding the point may lie past the last weight.
      if (rest < left || this.nodes[2 * node + 1] === 0) node = 2 * node
      else {
        rest -= left
        node = 2 * node + 1
      }
    }
    return node - this.leaves
  }
}
