import { failure } from '@millrace/core'
import type { FullTensor, HostTensor } from '@millrace/export'

/**
 * How far one worker has read its input. Take it between two steps of that worker, when none is under way, and before the variables
 * are saved: then no record is skipped after a restore, and those that were read since are read again.
 */
export interface InputPosition {
  /** Whose it is: `worker_0`. */
  readonly name: string
  /** The global step when it was taken. */
  readonly step: number
  /** Of a stream that is read in Node: plain data, kept as JSON. */
  readonly stream?: unknown
  /** Of an iterator in the server: what `addIteratorState` gave. */
  readonly iterator?: Uint8Array | undefined
}

/** Name of the tensor, string `[n, 3]`, that holds positions: their names, JSON with the step and the stream, states of iterators. */
export const POSITIONS_TENSOR = 'millrace/positions'

const toJson = (name: string, value: object): string => {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw failure({ tag: 'Usage', code: 'POSITION_JSON', problem: `the position of ${name} is no plain data`, remedy: 'Give what JSON.stringify takes.', cause })
  }
}

/** Positions as a tensor. @throws `Usage` for a stream's that is no plain data */
export const encodePositions = (positions: readonly InputPosition[]): FullTensor => ({
  dtype: 'string',
  shape: [positions.length, 3],
  data: positions.flatMap(({ name, step, stream, iterator }) => [name, toJson(name, { step, stream, iterator: iterator !== undefined }), iterator ?? '']),
})

const bad = (problem: string, cause?: unknown): Error => failure({ tag: 'Corrupt', code: 'CHECKPOINT_POSITIONS', problem: `the checkpoint's positions of input cannot be read: ${problem}`, cause })

const parse = (text: string): { readonly step?: unknown; readonly stream?: unknown; readonly iterator?: unknown } => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch (cause) {
    throw bad('one is no JSON', cause)
  }
  throw bad('one is no object')
}

/** @throws `Corrupt` */
export const decodePositions = ({ shape, data }: HostTensor): readonly InputPosition[] => {
  if (ArrayBuffer.isView(data) || shape.length !== 2 || shape[1] !== 3) throw bad('they have another form')
  const { offsets, bytes } = data
  const item = (at: number): Uint8Array => new Uint8Array(bytes.subarray(offsets[at], offsets[at + 1]))
  const decoder = new TextDecoder()
  return Array.from({ length: shape[0] as number }, (_, row): InputPosition => {
    const { step, stream, iterator } = parse(decoder.decode(item(row * 3 + 1)))
    if (typeof step !== 'number') throw bad('one has no step')
    return {
      name: decoder.decode(item(row * 3)),
      step,
      ...(stream === undefined ? {} : { stream }),
      ...(iterator === true ? { iterator: item(row * 3 + 2) } : {}),
    }
  })
}
