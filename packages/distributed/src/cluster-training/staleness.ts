/** How many steps of others, or of one's own that overlap, come between the reading of variables and their change. */
export class Staleness {
  #count = 0
  #sum = 0
  #max = 0

  add(steps: number): void {
    const known = Math.max(0, steps)
    this.#count += 1
    this.#sum += known
    this.#max = Math.max(this.#max, known)
  }

  get summary(): { readonly mean: number; readonly max: number } {
    return { mean: this.#count === 0 ? 0 : this.#sum / this.#count, max: this.#max }
  }
}
