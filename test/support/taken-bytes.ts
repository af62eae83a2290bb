import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** Bytes that this process, all its threads, has read of files, sockets and pipes so far. Linux counts them. */
export const takenBytes = (): number => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))![1])

/** More than to look at the count itself takes. */
const NOISE_BYTES = 2048

/** Waits until nothing more is read, and gives the count. */
export const takenAtRest = async (): Promise<number> => {
  for (let before = takenBytes(), still = 0; ; ) {
    await pause(20)
    const now = takenBytes()
    still = now - before < NOISE_BYTES ? still + 1 : 0
    if (still === 3) return now
    before = now
  }
}
