/** Count, mean and variance of numbers seen one by one, by Welford's recurrence: no sum of squares that could cancel. */
export class Moments {
  count = 0
  mean = 0
  private squares = 0

  add(value: number): void {
    const before = value - this.mean
    this.mean += before / ++this.count
    this.squares += before * (value - this.mean)
  }

  /** Population standard deviation; NaN of nothing. */
  get stddev(): number {
    return Math.sqrt(this.squares / this.count)
  }
}
