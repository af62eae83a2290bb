import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { isMillraceError } from '@millrace/core'
import { errorOf } from '../../../../../test/support/error-of.js'
import { inflated, type InflateOptions } from '../inflated.js'
import { endInflateThread, isWorthThread, takeInflateThread } from './inflate-thread.js'

const words = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `word${(i * 7919) % 503},${i * i};`).join('\n'))
const large = { onThread: true }

/** Chunks in memory that is overwritten when the next one is asked for, as readers of files give them. */
async function* cut(bytes: Uint8Array, size: number, onClose: () => void = () => undefined): AsyncGenerator<Uint8Array, void, undefined> {
  const memory = new Uint8Array(size)
  try {
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = bytes.subarray(at, at + size)
      memory.fill(255).set(chunk)
      yield memory.subarray(0, chunk.length)
    }
  } finally {
    onClose()
  }
}

const outcome = async (packed: Uint8Array, kind: 'gzip' | 'zlib', size: number, options: InflateOptions): Promise<object> => {
  const pieces: Uint8Array[] = []
  let error: object | undefined
  try {
    for await (const piece of inflated(cut(packed, size), kind, 'x', options)) pieces.push(options.reuse === true ? piece.slice() : piece)
  } catch (thrown) {
    if (!isMillraceError(thrown)) throw thrown
    error = { code: thrown.code, position: thrown.position, words: /\((.*)\)/.exec(thrown.problem)?.[1] }
  }
  return { bytes: Buffer.concat(pieces), error }
}

/** Without the bytes, which are compared first: of megabytes that differ, a report would take minutes. */
const requireTheSame = async (packed: Uint8Array, kind: 'gzip' | 'zlib', size: number, options: InflateOptions = {}): Promise<object | undefined> => {
  const { bytes: due, ...dueError } = (await outcome(packed, kind, size, {})) as { bytes: Buffer; error?: object }
  const { bytes, ...error } = (await outcome(packed, kind, size, { ...large, ...options })) as { bytes: Buffer; error?: object }
  expect(error).toEqual(dueError)
  expect(bytes.equals(due)).toBe(true)
  return error.error
}

describe('the thread that inflates', () => {
  it('gives what the kernel gives on this thread, in chunks of any size', async () => {
    for (const size of [1000, 65_536, 1_000_000, 100_000_000]) {
      for (const reuse of [false, true]) {
        expect(await requireTheSame(gzipSync(words, { level: 1 }), 'gzip', size, { reuse })).toBeUndefined()
        expect(await requireTheSame(deflateSync(words, { level: 1 }), 'zlib', size, { reuse })).toBeUndefined()
      }
    }
    const members = Buffer.concat([gzipSync(words.subarray(0, 1_000_000)), gzipSync(''), gzipSync(words), Buffer.alloc(3000)])
    expect(await requireTheSame(members, 'gzip', 100_000)).toBeUndefined()
    expect(await requireTheSame(gzipSync(''), 'gzip', 7)).toBeUndefined()
  })

  it('says what is wrong as it is said on this thread, after the same bytes', async () => {
    const packed = gzipSync(words, { level: 1 })
    const damaged = Buffer.from(packed)
    damaged.fill(0xff, packed.length >> 1, (packed.length >> 1) + 20)
    const wrongCheck = Buffer.from(packed)
    wrongCheck[packed.length - 8]! ^= 1
    for (const [bytes, code] of [
      [damaged, 'COMPRESSED_CORRUPT'], [wrongCheck, 'COMPRESSED_CORRUPT'], [packed.subarray(0, -3), 'COMPRESSED_TRUNCATED'], [packed.subarray(0, 300_000), 'COMPRESSED_TRUNCATED'],
      [Buffer.concat([packed, Buffer.from([0, 1])]), 'COMPRESSED_TRAILING'], [Buffer.from('id,name\n'), 'NOT_PACKED'],
    ] as const) {
      for (const size of [65_536, 100_000_000]) expect(await requireTheSame(bytes, 'gzip', size)).toMatchObject({ code })
    }
  })

  it('keeps to the limits, and closes what it reads', async () => {
    let closed = 0
    const drain = async (options: InflateOptions): Promise<void> => {
      for await (const piece of inflated(cut(gzipSync(Buffer.alloc(100_000_000)), 10_000, () => closed++), 'gzip', 'x', { ...large, ...options })) void piece
    }
    expect((await errorOf(drain({ maxInflatedBytes: 10_000_000 }))).code).toBe('INFLATED_TOO_LONG')
    expect((await errorOf(drain({ maxInflation: 100 }))).code).toBe('INFLATION_LIMIT')
    expect(closed).toBe(2)
  })

  it('is free again when somebody stops in the middle, or the source fails', async () => {
    const packed = gzipSync(words, { level: 1 })
    let closed = 0
    for (let i = 0; i < 3; i++) for await (const piece of inflated(cut(packed, 10_000, () => closed++), 'gzip', 'x', large)) if (piece.length > 0) break
    async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
      yield* cut(packed.subarray(0, 300_000), 100_000, () => closed++)
      throw new Error('the disk is gone')
    }
    const failed = async (): Promise<void> => {
      for await (const piece of inflated(failing(), 'gzip', 'x', large)) void piece
    }
    await expect(failed()).rejects.toThrow('the disk is gone')
    expect(closed).toBe(4)
    const thread = await takeInflateThread()
    expect(thread).toBeDefined()
    thread!.release()
  })

  it('takes one file at a time; others are inflated meanwhile', async () => {
    const packed = gzipSync(words, { level: 1 })
    const first = inflated(cut(packed, 10_000), 'gzip', 'x', large)
    await first.next()
    expect(await takeInflateThread()).toBeUndefined()
    expect(await requireTheSame(packed, 'gzip', 10_000)).toBeUndefined()
    await first.return()
  })

  it('is not for small files, nor for those whose size is not known', () => {
    expect(isWorthThread(undefined)).toBe(false)
    expect(isWorthThread(1_000_000)).toBe(false)
  })

  it('that dies fails what is read from it, and the next file has another one', async () => {
    const packed = gzipSync(words, { level: 1 })
    const reading = inflated(cut(packed, 10_000), 'gzip', 'x', large)
    await reading.next()
    const rest = async (): Promise<void> => {
      for await (const piece of reading) void piece
    }
    await endInflateThread()
    expect((await errorOf(rest())).code).toBe('WORKER_DIED')
    expect(await requireTheSame(packed, 'gzip', 10_000)).toBeUndefined()
    const thread = await takeInflateThread()
    expect(thread).toBeDefined()
    thread!.release()
  })
})
