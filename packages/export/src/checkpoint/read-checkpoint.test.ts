import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isMillraceError, run } from '@millrace/core'
import { tensorValue, type NumericData, type TensorValue } from '../graph/index.js'
import { openCheckpoint, readCheckpoint, type BlockOptions } from './read-checkpoint.js'
import { sliceKey } from './slice-key.js'
import { writeCheckpoint } from './write-checkpoint.js'

const tensors: { readonly [name: string]: TensorValue } = {
  'dense/kernel': tensorValue('float32', [2, 3], [1, -2, 3.5, 0, 1e-20, 7]),
  longs: tensorValue('int64', [2], [-(2n ** 63n), 2n ** 63n - 1n]),
  flags: tensorValue('bool', [3], [true, false, true]),
  empty: tensorValue('float64', [0, 4], []),
  scalar: tensorValue('int32', [], [-7]),
  text: tensorValue('string', [2, 2], ['', 'Zürich', 'x'.repeat(300), new Uint8Array([0, 255])]),
}

describe('reading checkpoints', () => {
  let folder = ''
  let prefix = ''
  let index = new Uint8Array()
  let data = new Uint8Array()
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-read-checkpoint-'))
    prefix = join(folder, 'good')
    const many = Array.from({ length: 400 }, (_, i) => ({ name: `many/variables/with/long/names/${i}`, value: tensorValue('int32', [1], [i]) }))
    await run(writeCheckpoint(prefix, [...Object.entries(tensors).map(([name, value]) => ({ name, value })), ...many]))
    index = await readFile(`${prefix}.index`)
    data = await readFile(`${prefix}.data-00000-of-00001`)
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  let count = 0
  const damaged = async (files: { readonly index?: Uint8Array; readonly data?: Uint8Array }): Promise<string> => {
    const path = join(folder, `bad-${count++}`)
    await writeFile(`${path}.index`, files.index ?? index)
    await writeFile(`${path}.data-00000-of-00001`, files.data ?? data)
    return path
  }

  test('gives what was written, of every type, over several blocks of the index', async () => {
    const read = await run(readCheckpoint(prefix))
    expect(read.size).toBe(Object.keys(tensors).length + 400)
    for (const [name, { dtype, shape, data: values }] of Object.entries(tensors)) {
      const found = read.get(name)!
      expect({ name, dtype: found.dtype, shape: found.shape }).toEqual({ name, dtype, shape })
      if (Array.isArray(values)) {
        const wanted = values.map((value: string | Uint8Array) => Buffer.from(value as string).toString('latin1'))
        expect((found.data as { toArray(): Uint8Array[] }).toArray().map((value) => Buffer.from(value).toString('latin1'))).toEqual(wanted)
      } else expect(found.data).toEqual(values)
    }
    expect(read.get('many/variables/with/long/names/399')!.data).toEqual(Int32Array.of(399))
  })

  test('reads only what is asked for, and names what there is when it is not there', async () => {
    expect([...(await run(readCheckpoint(prefix, { names: ['scalar'] }))).keys()]).toEqual(['scalar'])
    await expect(run(readCheckpoint(prefix, { names: ['kernel'] }))).rejects.toMatchObject({ _tag: 'NotFound', code: 'NO_SUCH_TENSOR', message: expect.stringContaining('dense/kernel') as string })
    await expect(run(readCheckpoint(join(folder, 'nothing')))).rejects.toMatchObject({ _tag: 'NotFound' })
    await expect(run(readCheckpoint(prefix), { signal: AbortSignal.abort() })).rejects.toMatchObject({ _tag: 'Aborted' })
  })

  test('gives blocks of rows that are the whole together, and writes them back', async () => {
    const values = new Float32Array(1000 * 3).map((_, index) => Math.sin(index))
    const whole = join(folder, 'whole')
    await run(writeCheckpoint(whole, [{ name: 'table', value: { dtype: 'float32', shape: [1000, 3], data: values } }, ...Object.entries(tensors).map(([name, value]) => ({ name, value }))]))
    const checkpoint = await openCheckpoint(whole)
    const sizes: number[] = []
    async function* blocks(name: string, blockBytes: number) {
      for await (const { shape, data } of checkpoint.blocks(name, { blockBytes })) {
        sizes.push(shape[0]!)
        yield data as NumericData
      }
    }
    const copy = join(folder, 'copy')
    await run(writeCheckpoint(copy, [
      { name: 'table', value: { dtype: 'float32', shape: [1000, 3], blocks: blocks('table', 300 * 12 + 5) } },
      { name: 'empty', value: { dtype: 'float64', shape: [0, 4], blocks: blocks('empty', 1) } },
      { name: 'scalar', value: { dtype: 'int32', shape: [], blocks: blocks('scalar', 1) } },
    ]))
    expect(sizes).toEqual([300, 300, 300, 100, undefined])
    const read = await run(readCheckpoint(copy))
    expect(read.get('table')!.data).toEqual(values)
    expect([read.get('empty')!.shape, read.get('scalar')!.data]).toEqual([[0, 4], Int32Array.of(-7)])
    const some: number[] = []
    for await (const { data } of checkpoint.blocks('table', { start: 7, end: 9, blockBytes: 1 })) some.push(...(data as Float32Array))
    expect(some).toEqual(Array.from(values.subarray(21, 27)))
    const first = (name: string, options?: BlockOptions) => checkpoint.blocks(name, options)[Symbol.asyncIterator]().next()
    await expect(first('table', { start: 3, end: 1001 })).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_RANGE' })
    await expect(first('text')).rejects.toMatchObject({ _tag: 'Model' })
    const few = run(writeCheckpoint(join(folder, 'few'), [{ name: 'table', value: { dtype: 'float32', shape: [1001, 3], blocks: blocks('table', 9999) } }]))
    await expect(few).rejects.toMatchObject({ _tag: 'Usage', code: 'CHECKPOINT_BLOCKS' })
  })

  test('a flipped bit is found by the end of a tensor that is read in blocks', async () => {
    const path = join(folder, 'flipped')
    await run(writeCheckpoint(path, [{ name: 'table', value: tensorValue('float32', [100, 2], new Float32Array(200)) }]))
    const bytes = await readFile(`${path}.data-00000-of-00001`)
    bytes[8]! ^= 1
    await writeFile(`${path}.data-00000-of-00001`, bytes)
    const checkpoint = await openCheckpoint(path)
    let blocks = 0
    const reading = (async () => {
      for await (const block of checkpoint.blocks('table', { blockBytes: 80 })) blocks += block.shape[0]! > 0 ? 1 : 0
    })()
    await expect(reading).rejects.toMatchObject({ _tag: 'Corrupt', code: 'CHECKPOINT_ENTRY' })
    expect(blocks).toBe(9)
  })

  test('every truncation of the index is an error, and so is a data file that is short or missing', async () => {
    const small = join(folder, 'small')
    await run(writeCheckpoint(small, Object.entries(tensors).map(([name, value]) => ({ name, value }))))
    const whole = await readFile(`${small}.index`)
    for (let end = 0; end < whole.length; end++) {
      const path = await damaged({ index: whole.subarray(0, end) })
      await expect(openCheckpoint(path), String(end)).rejects.toMatchObject({ _tag: 'Corrupt' })
    }
    const short = await damaged({ data: data.subarray(0, data.length - 1) })
    await expect(run(readCheckpoint(short))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'CHECKPOINT_ENTRY' })
    const lone = join(folder, 'lone')
    await writeFile(`${lone}.index`, index)
    await expect(run(readCheckpoint(lone))).rejects.toMatchObject({ _tag: 'NotFound' })
  })

  test('a flipped bit anywhere is found, whichever file it is in', async () => {
    const flipped = (bytes: Uint8Array, at: number, bit: number): Uint8Array => {
      const copy = Uint8Array.from(bytes)
      copy[at]! ^= 1 << bit
      return copy
    }
    await fc.assert(fc.asyncProperty(fc.nat(data.length - 1), fc.nat(7), async (at, bit) => {
      await expect(run(readCheckpoint(await damaged({ data: flipped(data, at, bit) })))).rejects.toMatchObject({ _tag: 'Corrupt' })
    }), { numRuns: 40 })
    // The footer pads its handles with bytes that mean nothing.
    await fc.assert(fc.asyncProperty(fc.nat(index.length - 49), fc.nat(7), async (at, bit) => {
      const error = await run(readCheckpoint(await damaged({ index: flipped(index, at, bit) }))).then(() => undefined, (thrown: unknown) => thrown)
      // The empty block of metadata, which nothing reads, may be damaged unseen.
      if (error !== undefined) expect(isMillraceError(error) && error._tag === 'Corrupt', String(error)).toBe(true)
      else expect(at).toBeGreaterThan(index.length - 4096)
    }), { numRuns: 40 })
  })
})

describe('keys of slices', () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

  // From the index of a checkpoint of TensorFlow 2.21 (SaveV2 with shape_and_slices).
  test.each([
    [[[0, 7], [0, -1]], '0061000101028087807f'],
    [[[7, 3], [0, -1]], '0061000101028783807f'],
    [[[64, 100], [0, -1]], '006100010102c040c064807f'],
    [[[10000, 20000], [0, 5]], '006100010102e02710e04e208085'],
    [[[0, 100000], [0, 5]], '00610001010280e186a08085'],
    [[[100000, 200000], [0, 2]], '006100010102e186a0e30d408082'],
  ])('%j', (extents, expected) => {
    expect(hex(sliceKey('a', { extents: extents.map(([start, length]) => ({ start: start!, length: length! })) }))).toBe(expected)
  })
})
