import { parentPort, type MessagePort } from 'node:worker_threads'
import { PIECE_BYTES } from '../inflate-kernel.js'
import { Inflater, InflateFault } from '../inflater.js'
import type { FromInflater, ToInflater } from './messages.js'

/** A stream that is inflated for the other end of a port. */
class ServedStream {
  private readonly chunks: Uint8Array<ArrayBuffer>[] = []
  private readonly room: ArrayBuffer[] = []
  private current: Uint8Array<ArrayBuffer> | undefined
  /** Bytes of the first room that are in use. */
  private filled = 0
  private isEnded = false
  private isClosed = false

  constructor(
    private readonly port: MessagePort,
    private readonly inflater: Inflater,
  ) {
    port.on('message', (message: ToInflater) => this.take(message))
    port.on('close', () => this.close())
  }

  private say(message: FromInflater, transfer: readonly ArrayBuffer[] = []): void {
    this.port.postMessage(message, transfer)
  }

  private take(message: ToInflater): void {
    if (message.type === 'chunk') this.chunks.push(message.bytes)
    else if (message.type === 'room') this.room.push(message.buffer)
    else this.isEnded = true
    try {
      this.run()
    } catch (error) {
      if (!(error instanceof InflateFault)) throw error
      this.give()
      this.close()
      this.say({ type: 'fault', problem: error.message })
    }
  }

  /** Inflates as long as there is memory for what comes out, and something to inflate. */
  private run(): void {
    while (!this.isClosed && this.room.length > 0 && this.hasChunk()) {
      const piece = this.inflater.next()
      if (piece !== undefined) this.keep(piece, this.room[0]!)
      else {
        this.give()
        this.giveBack()
      }
    }
  }

  private keep(piece: Uint8Array, room: ArrayBuffer): void {
    new Uint8Array(room).set(piece, this.filled)
    this.filled += piece.length
    if (room.byteLength - this.filled < PIECE_BYTES) this.give()
  }

  /** Gives what came out since the last time. */
  private give(): void {
    if (this.filled === 0) return
    const buffer = this.room.shift()!
    this.say({ type: 'piece', bytes: new Uint8Array(buffer, 0, this.filled) }, [buffer])
    this.filled = 0
  }

  /** The chunk is used up. */
  private giveBack(): void {
    const { buffer } = this.current!
    this.current = undefined
    this.say({ type: 'more', buffer }, [buffer])
  }

  /** Goes on to the next chunk where there is none. @returns whether there is one now */
  private hasChunk(): boolean {
    const { inflater } = this
    if (this.current !== undefined) return true
    if (inflater.isOver || (this.isEnded && this.chunks.length === 0)) {
      this.close()
      this.say({ type: 'over', isWhole: inflater.isWhole, used: inflater.used })
      return false
    }
    this.current = this.chunks.shift()
    if (this.current !== undefined) inflater.push(this.current)
    return this.current !== undefined
  }

  private close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.inflater.release()
  }
}

/** Inflates for the main thread: what the file `inflate.js` of this package does on a worker thread. Ends where there is no WebAssembly. */
export const serveInflation = (): void => {
  const main = parentPort
  main?.on('message', ({ port, kind }: { readonly port: MessagePort; readonly kind: 'gzip' | 'zlib' }) => new ServedStream(port, Inflater.of(kind)!))
  const inflater = Inflater.of('gzip')
  inflater?.release()
  if (inflater === undefined) main?.close()
  else main?.postMessage('ready')
}
