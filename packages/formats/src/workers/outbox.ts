import type { SentBatch } from './messages.js'
import type { PostedBatch } from './wire-batch.js'

/** Batches go together until they hold so many bytes: a message costs the main thread more than a batch does. */
const TOGETHER_BYTES = 1024 * 1024

/** Batches that were read and are not sent yet. The first is sent at once, others together, at the latest when the thread waits for something. */
export class Outbox {
  private batches: SentBatch[] = []
  private transfer: ArrayBuffer[] = []
  private bytes = 0
  private isFirst = true
  private timer: NodeJS.Immediate | undefined

  constructor(private readonly post: (batches: readonly SentBatch[], transfer: readonly ArrayBuffer[]) => void) {}

  /** @param read - bytes taken from storage since the batch before */
  put({ wire, transfer, bytes }: PostedBatch, read: number): void {
    this.batches.push({ batch: wire, bytes, read })
    this.transfer.push(...transfer)
    this.bytes += bytes
    if (this.isFirst || this.bytes >= TOGETHER_BYTES) this.send()
    else this.timer ??= setImmediate(() => this.send())
    this.isFirst = false
  }

  send(): void {
    clearImmediate(this.timer)
    this.timer = undefined
    if (this.batches.length === 0) return
    const { batches, transfer } = this
    this.batches = []
    this.transfer = []
    this.bytes = 0
    this.post(batches, transfer)
  }
}
