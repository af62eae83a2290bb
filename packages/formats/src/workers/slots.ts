/** Place of a task among those of a reading: file, then part of it. */
export type Turn = readonly [file: number, part: number]

interface Waiter {
  readonly turn: Turn
  readonly go: () => void
}

const isBefore = ([file, part]: Turn, other: Turn): boolean => file < other[0] || (file === other[0] && part < other[1])

/**
 * Who of the tasks of a reading may begin: the earliest first, no more at a time than there are threads, and not many more than are
 * consumed. When all that began wait to be consumed, the earliest may begin all the same: what they wait for may wait for it.
 */
export class Slots {
  private readonly waiters: Waiter[] = []
  /** Tasks that have a thread. */
  private busy = 0
  /** Of these, tasks that do not wait to be consumed. */
  private going = 0
  /** Tasks that were begun and are not consumed. */
  private held = 0

  constructor(private readonly threads: number) {}

  /** Resolves when the task may begin. @returns `false` where the signal fired before */
  begin(turn: Turn, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const leave = (): void => {
        const at = this.waiters.indexOf(waiter)
        if (at >= 0) this.waiters.splice(at, 1)
        resolve(false)
      }
      const waiter: Waiter = {
        turn,
        go: () => {
          signal.removeEventListener('abort', leave)
          resolve(true)
        },
      }
      if (signal.aborted) return resolve(false)
      signal.addEventListener('abort', leave)
      this.waiters.push(waiter)
      this.admit()
    })
  }

  stall(isStalled: boolean): void {
    this.going += isStalled ? -1 : 1
    this.admit()
  }

  /** A task's thread is free. */
  free(): void {
    this.busy--
    this.going--
    this.admit()
  }

  /** All that a task gave was taken. */
  done(): void {
    this.held--
    this.admit()
  }

  private admit(): void {
    while (this.waiters.length > 0 && ((this.busy < this.threads && this.held < 2 * this.threads) || this.going === 0)) {
      const first = this.waiters.reduce((least, waiter) => (isBefore(waiter.turn, least.turn) ? waiter : least))
      this.waiters.splice(this.waiters.indexOf(first), 1)
      this.busy++
      this.going++
      this.held++
      first.go()
    }
  }
}
