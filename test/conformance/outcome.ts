import { isMillraceError, type Json, type OpenOptions, type Stream } from '@millrace/core'
import { expect } from 'vitest'
import type { ReaderUnderTest, Record, schema } from './records.js'

type Rows = Stream<typeof schema, 'cold'>

/** What a reading gave. */
export interface Outcome {
  readonly rows: readonly Record[]
  readonly positions: readonly Json[]
  readonly sizes: readonly number[]
  readonly error: unknown
}

/** Reads to the end, or to the error. */
export const readAll = async (stream: Rows, options: OpenOptions = {}): Promise<Outcome> => {
  const out = { rows: [] as Record[], positions: [] as Json[], sizes: [] as number[], error: undefined as unknown }
  try {
    for await (const batch of stream.open(options)) {
      out.sizes.push(batch.numRows)
      out.positions.push(batch.position!)
      for (let row = 0; row < batch.numRows; row++) out.rows.push(batch.row(row))
    }
  } catch (error) {
    out.error = error
  }
  return out
}

/** Fails for what is no error of a file. */
export const expectTyped = (error: unknown): void => {
  expect(isMillraceError(error) ? undefined : error).toBeUndefined()
  // A defect of ours, not of the file, would be Internal.
  expect((error as { _tag: string })._tag).toMatch(/^(BadRecord|Corrupt|Schema|Limit)$/)
}

/** The rows of a file over and over: a CSV file's header and an array's brackets only once. */
export const repeated = (reader: ReaderUnderTest, sound: Uint8Array, times: number): Uint8Array => {
  const bytes = Buffer.from(sound)
  if (reader.extension === 'csv') {
    const header = bytes.indexOf('\n') + 1
    return Buffer.concat([bytes.subarray(0, header), ...Array<Buffer>(times).fill(bytes.subarray(header))])
  }
  if (reader.extension === 'json') return Buffer.from(`[${Array<string>(times).fill(bytes.toString().trim().slice(1, -1)).join(',')}]`)
  const end = reader.extension === 'jsonl' ? Buffer.from('\n') : Buffer.alloc(0)
  return Buffer.concat(Array<Buffer>(times).fill(Buffer.concat([bytes, end])))
}
