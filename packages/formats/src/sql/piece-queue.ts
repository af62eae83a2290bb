import type { SqlColumns, SqlRows } from './sql-session.js'

/** What comes piece by piece, and can be kept waiting. */
export interface PausableSource {
  readonly pause: () => void
  readonly resume: () => void
}

/** Pieces that may wait for their reader: one is worked on meanwhile. */
const MOST_WAITING = 2

/** A piece, which is made when it is asked for. */
export type LaterPiece = () => SqlRows | SqlColumns

/** Pieces of a result between a driver, which pushes them as they come, and a reader, which asks for them. */
export class PieceQueue {
  private readonly waiting: LaterPiece[] = []
  private ended: { readonly error?: unknown } | undefined
  private paused = false
  private wake: () => void = () => undefined
  private makeRoom: () => void = () => undefined

  constructor(private readonly source: PausableSource) {}

  /** Whether the reader is behind. */
  get full(): boolean {
    return this.waiting.length >= MOST_WAITING
  }

  put(piece: LaterPiece): void {
    this.waiting.push(piece)
    if (this.full && !this.paused) {
      this.paused = true
      this.source.pause()
    }
    this.wake()
  }

  /** Tells the reader, once it has what came before, that there is no more; by an error, where one is given. */
  end(how: { readonly error?: unknown } = {}): void {
    this.ended ??= how
    this.wake()
  }

  /** The next piece; an empty one at the end. @throws what {@link end} was told, and what making a piece throws */
  async next(): Promise<SqlRows | SqlColumns> {
    for (;;) {
      const piece = this.waiting.shift()
      if (piece !== undefined) {
        this.goOn()
        return piece()
      }
      if (this.ended !== undefined) {
        if ('error' in this.ended) throw this.ended.error
        return []
      }
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }

  /** Settles when the reader is no longer behind. */
  room(): Promise<void> {
    return this.full ? new Promise((resolve) => (this.makeRoom = resolve)) : Promise.resolve()
  }

  private goOn(): void {
    if (!this.full) this.makeRoom()
    if (!this.paused || this.full) return
    this.paused = false
    this.source.resume()
  }
}
