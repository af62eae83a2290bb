import { Worker } from 'node:worker_threads'
import { timed, type Cost } from '../harness/measure.js'

/** What one of the threads reads. */
export interface ApartCommand {
  readonly file: string
  readonly schema: string
  readonly copies: number
  readonly rows: number
}

/** Several threads that each read their share and hand nothing over: what the processors can do at most, whatever worker threads are made of. */
export class ThreadsApart {
  private readonly threads: readonly Worker[]

  constructor(count: number) {
    // The bundle of bench/reading-thread.ts lies beside that of the contenders.
    this.threads = Array.from({ length: count }, () => new Worker(new URL('./reading-thread.mjs', import.meta.url)))
    for (const thread of this.threads) thread.unref()
  }

  /** @throws when a thread failed or came to other rows */
  read({ copies, ...command }: ApartCommand): Promise<Cost> {
    return timed(() => Promise.all(this.threads.map((thread) => this.share(thread, { ...command, copies: copies / this.threads.length }))))
  }

  private share(thread: Worker, command: ApartCommand): Promise<void> {
    return new Promise((resolve, reject) => {
      thread.ref()
      thread.once('error', reject)
      thread.once('message', () => {
        thread.off('error', reject)
        thread.unref()
        resolve()
      })
      thread.postMessage(command)
    })
  }
}
