import type { Client } from 'pg'

/** What we use of the driver's socket. */
export interface TappedStream {
  listeners(event: 'data'): unknown[]
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  off(event: 'data', listener: (chunk: Buffer) => void): unknown
  pause(): unknown
  resume(): unknown
  write(bytes: Uint8Array): unknown
}

type Listener = (chunk: Buffer) => void

/** A message: a byte that says which, four of its length, which they count in, and the rest. https://www.postgresql.org/docs/current/protocol-message-formats.html */
const HEADER = 5
const DATA_ROW = 68

/** Stands between a connection's socket and the driver: rows of a result can be taken as they came, all other messages go on to the driver. */
export class PostgresTap {
  /** Takes the row `bytes[start..end]`, its number of columns first; while absent the driver has them. */
  onRow: ((bytes: Uint8Array, start: number, end: number) => void) | undefined
  private readonly drivers: readonly Listener[]
  /** Pieces of a message that is not there yet. */
  private pending: Buffer[] = []
  private pendingBytes = 0
  /** How many bytes there must be to go on. */
  private needed = 0

  /** @param stream - of a connection on which no query runs */
  constructor(readonly stream: TappedStream) {
    this.drivers = stream.listeners('data') as Listener[]
    // A socket without a listener would pause.
    stream.on('data', this.take)
    for (const driver of this.drivers) stream.off('data', driver)
  }

  /** Gives the socket back to the driver. */
  release(): void {
    this.onRow = undefined
    for (const driver of this.drivers) this.stream.on('data', driver)
    this.stream.off('data', this.take)
    if (this.pendingBytes > 0) this.hand(this.together())
    this.stream.resume()
  }

  private readonly take = (chunk: Buffer): void => {
    let from = 0
    // Only what ends the message that is pending is copied: a header first, which says where that is.
    while (this.pendingBytes > 0) {
      const more = Math.min(this.needed - this.pendingBytes, chunk.length - from)
      this.keep(chunk.subarray(from, from + more))
      from += more
      if (this.pendingBytes < this.needed) return
      const message = this.together()
      if (this.split(message) < message.length) this.keep(message)
    }
    const rest = chunk.subarray(from + this.split(from === 0 ? chunk : chunk.subarray(from)))
    if (rest.length > 0) this.keep(rest)
  }

  /** Keeps the beginning of a message, and finds how long it must become. */
  private keep(bytes: Buffer): void {
    this.pending.push(bytes)
    this.pendingBytes += bytes.length
    if (this.needed === 0) this.needed = this.pendingBytes < HEADER ? HEADER : messageEnd(bytes, 0)
  }

  /** What is pending as one. */
  private together(): Buffer {
    const bytes = this.pending.length === 1 ? this.pending[0]! : Buffer.concat(this.pending)
    this.pending = []
    this.pendingBytes = this.needed = 0
    return bytes
  }

  /** Hands whole messages on, each to whom it belongs, in their order; gives where the first one begins that is not whole. */
  private split(bytes: Buffer): number {
    let at = 0
    let handed = 0
    while (at + HEADER <= bytes.length) {
      const end = messageEnd(bytes, at)
      if (end > bytes.length) break
      if (bytes[at] === DATA_ROW && this.onRow !== undefined) {
        if (handed < at) this.hand(bytes.subarray(handed, at))
        this.onRow(bytes, at + HEADER, end)
        handed = end
      }
      at = end
    }
    if (handed < at) this.hand(bytes.subarray(handed, at))
    return at
  }

  private hand(bytes: Buffer): void {
    for (const driver of this.drivers) driver.call(this.stream, bytes)
  }
}

/** Where the message ends that begins at a place; one whose length is none is the driver's to refuse. */
const messageEnd = (bytes: Buffer, at: number): number => at + 1 + Math.max(HEADER - 1, bytes.readUInt32BE(at + 1))

/** The socket of a client, where its driver is as we know it: not one of native code, nor one that has none. */
export const streamOf = (client: Client): TappedStream | undefined => {
  const { stream } = (client as { readonly connection?: { readonly stream?: Partial<TappedStream> } }).connection ?? {}
  const known = (['listeners', 'on', 'off', 'pause', 'resume', 'write'] as const).every((name) => typeof stream?.[name] === 'function')
  return known && stream!.listeners!('data').length > 0 ? (stream as TappedStream) : undefined
}
