import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { failure, fromUnknown, localPath, schemeOf } from '@millrace/core'
import { encodeFrame } from '@millrace/formats'
import { encodeFileVersion, encodeGraph, encodeScalars } from './encode-event.js'

/** An event file under way. TensorBoard reads it while it grows. */
export interface EventFile {
  readonly path: string
  /**
   * Adds the values of one step, by tag: `events.scalars(3, { 'epoch_loss': 0.48 })`. Stored as float32.
   *
   * @param step - a whole number, usually the epoch or the batch
   */
  scalars(step: number, values: Readonly<Record<string, number>>): Promise<void>
  /** Adds a graph (the bytes of a GraphDef) for TensorBoard's graph view. */
  graph(graphDef: Uint8Array): Promise<void>
  /** Ends the file. What was added before is in it, whatever happens after. */
  close(): Promise<void>
}

/** Numbers the files that one process opens, so that two in one second differ. */
let opened = 0

/**
 * Opens a new event file (`events.out.tfevents.<seconds>.<host>.<process>.<number>`) in a folder, which is made when it is not
 * there. The file grows in place, since TensorBoard follows it, so the folder has to be local.
 *
 * The format is TFRecords of `tensorflow.Event` (`tensorflow/core/util/events_writer.cc`).
 *
 * @example
 * const events = await openEventFile('out/tensorboard/train')
 * await events.scalars(1, { epoch_loss: 0.52 })
 * await events.close()
 * @throws `Usage` for a folder that is not on this machine; `Storage`
 */
export const openEventFile = async (folder: string): Promise<EventFile> => {
  if (schemeOf(folder) !== 'file') {
    throw failure({
      tag: 'Usage',
      code: 'EVENTS_LOCAL_ONLY',
      problem: 'event files grow while they are read, so they can be written to this machine only',
      remedy: 'Write them to a local folder and copy them when training is over.',
      position: { source: folder },
    })
  }
  const number = opened
  opened += 1
  const name = `events.out.tfevents.${String(Math.floor(Date.now() / 1000)).padStart(10, '0')}.${hostname()}.${process.pid}.${number}`
  const path = join(localPath(folder), name)
  const guard = async <A>(work: () => Promise<A>): Promise<A> => {
    try {
      return await work()
    } catch (thrown) {
      throw fromUnknown(thrown, { source: path })
    }
  }
  const handle = await guard(async () => {
    await mkdir(localPath(folder), { recursive: true })
    return open(path, 'wx')
  })
  let last = guard(() => append(handle, encodeFileVersion(Date.now() / 1000)))
  // One write after another: two events that are added at once must not interleave.
  const add = (event: Uint8Array): Promise<void> => {
    last = last.then(() => guard(() => append(handle, event)))
    return last
  }
  await last
  return {
    path,
    scalars: (step, values) => add(encodeScalars(Date.now() / 1000, step, values)),
    graph: (graphDef) => add(encodeGraph(Date.now() / 1000, graphDef)),
    close: async () => {
      await last.catch(() => undefined)
      await guard(() => handle.close())
    },
  }
}

const append = async (handle: FileHandle, event: Uint8Array): Promise<void> => {
  await handle.appendFile(encodeFrame(event))
}
