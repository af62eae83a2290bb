/** Mean and population variance. */
export type MeanVariance = { readonly mean: number; readonly variance: number }

/**
 * Mean and variance of any number of values in float64: each block in two passes, blocks merged by the formula of Chan,
 * Golub and LeVeque (1979), which stays exact to rounding where sums of squares cancel.
 */
export class Moments {
  private count = 0
  private mean = 0
  /** Sum of squared differences from the mean. */
  private squares = 0

  /** Takes a block of values; those that are null, NaN or infinite are left out, as TensorFlow Transform does. */
  add(values: Float64Array, isValid?: (row: number) => boolean): void {
    let count = 0
    let sum = 0
    for (let row = 0; row < values.length; row++) {
      const value = values[row]!
      if (value - value !== 0 || (isValid !== undefined && !isValid(row))) continue
      count++
      sum += value
    }
    if (count === 0) return
    const mean = sum / count
    let squares = 0
    for (let row = 0; row < values.length; row++) {
      const value = values[row]!
      if (value - value !== 0 || (isValid !== undefined && !isValid(row))) continue
      squares += (value - mean) * (value - mean)
    }
    const total = this.count + count
    const delta = mean - this.mean
    this.mean += (delta * count) / total
    this.squares += squares + (delta * delta * this.count * count) / total
    this.count = total
  }

  /** `undefined` when there was no value. */
  result(): MeanVariance | undefined {
    return this.count === 0 ? undefined : { mean: this.mean, variance: this.squares / this.count }
  }
}

