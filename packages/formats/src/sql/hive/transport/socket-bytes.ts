import type { Socket } from 'node:net'
import { connectionLost } from '../hive-fault.js'
import { tooLarge } from '../thrift-error.js'

/** What a socket brings beyond what was asked for stays in the socket from here on. */
const AHEAD_BYTES = 1024 * 1024

/** The bytes of a socket, taken in pieces that the reader chooses. Memory holds what has come, never what was announced. */
export class SocketBytes {
  private held = Buffer.alloc(0)
  private length = 0
  private wanted = 0
  private over: Error | undefined
  private wake: () => void = () => undefined

  constructor(private readonly socket: Socket) {
    const finish = (error?: Error): void => {
      this.over ??= error ?? connectionLost()
      this.wake()
    }
    socket.on('data', (chunk: Buffer) => this.add(chunk))
    socket.on('error', finish)
    socket.on('end', () => finish())
    socket.on('close', () => finish())
  }

  /** The next `count` bytes. @throws what ended the socket before */
  async take(count: number): Promise<Buffer> {
    await this.until(count)
    return this.remove(count)
  }

  /** A message whose end `measure` finds in the bytes so far. @throws `Limit` when it is longer than `limit` */
  async takeWhole(measure: (bytes: Buffer) => number | undefined, limit: number): Promise<Buffer> {
    for (;;) {
      const size = measure(this.held.subarray(0, this.length))
      if (size !== undefined) return this.remove(size)
      if (this.length >= limit) throw tooLarge(this.length, limit)
      await this.until(this.length + 1)
    }
  }

  private async until(count: number): Promise<void> {
    this.wanted = count
    while (this.length < count) {
      if (this.over !== undefined) throw this.over
      this.socket.resume()
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }

  private add(chunk: Buffer): void {
    if (this.length + chunk.length > this.held.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.held.length, this.length + chunk.length, 64 * 1024))
      this.held.copy(larger, 0, 0, this.length)
      this.held = larger
    }
    chunk.copy(this.held, this.length)
    this.length += chunk.length
    if (this.length > this.wanted + AHEAD_BYTES) this.socket.pause()
    if (this.length >= this.wanted) this.wake()
  }

  /** Hands bytes over for good: they are not written to again. */
  private remove(count: number): Buffer {
    const taken = this.held.subarray(0, count)
    const rest = this.held.subarray(count, this.length)
    this.held = Buffer.from(rest)
    this.length = rest.length
    return taken
  }
}
