/** Counts distinct values exactly up to a limit, and gives up beyond it. */
export class ValueCounts {
  private counts: Map<unknown, number> | undefined = new Map()

  constructor(private readonly limit: number) {}

  /** False once there are more distinct values than the limit: adding more is of no use. */
  get exact(): boolean {
    return this.counts !== undefined
  }

  add(value: unknown, times = 1): void {
    if (this.counts === undefined) return
    const before = this.counts.get(value)
    if (before === undefined && this.counts.size === this.limit) {
      this.counts = undefined
      return
    }
    this.counts.set(value, (before ?? 0) + times)
  }

  get distinct(): number | undefined {
    return this.counts?.size
  }

  /** The most frequent values, most frequent first, those seen earlier before others as frequent. */
  top(many: number): { readonly value: unknown; readonly count: number }[] {
    return [...(this.counts ?? [])]
      .map(([value, count]) => ({ value, count }))
      .sort((a, b) => b.count - a.count)
      .slice(0, many)
  }
}
