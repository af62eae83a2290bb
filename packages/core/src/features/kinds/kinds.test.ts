import { describe, expect, it } from 'vitest'
import { bytesColumn, fixedColumn } from '../../columns/index.js'
import { run } from '../../job/index.js'
import { field, type Field } from '../../schema/index.js'
import { batchFromRows, fromBatches, fromRows, makeBatch, type Stream } from '../../stream/index.js'
import {
  bucketize, features, featureKind, greaterThan, hashBucket, identity, minMax, oneHot, registerFeatureKind, standardize, vocabulary,
  type AnyFeature, type FittedFeature,
} from '../index.js'

const column = (kind: Field, values: readonly unknown[]): Stream<{ x: Field }, 'cold'> =>
  fromRows({ x: kind }, values.map((x) => ({ x })), { batchRows: 3 })

/** Fits a feature on a column and applies it to that, or to another. */
const through = async (feature: AnyFeature, fitOn: Stream<{ x: Field }, 'cold'>, applyTo = fitOn): Promise<{ values: readonly unknown[]; fitted: FittedFeature }> => {
  const inputs = await run(features({ x: feature as never }).fit(fitOn as never))
  const values: unknown[] = []
  for await (const batch of inputs.apply(applyTo as never)) values.push(...(batch as unknown as { columns: { x: { toArray(): readonly unknown[] } } }).columns.x.toArray())
  return { values, fitted: inputs.features.x }
}

describe('vocabulary', () => {
  const tokens = async (feature: AnyFeature, values: readonly unknown[], kind: Field = field.nullable(field.utf8())): Promise<unknown> =>
    ((await through(feature, column(kind, values))).fitted.state as { tokens: unknown }).tokens

  it('orders by frequency, then in reverse by bytes', async () => {
    expect(await tokens(vocabulary(), ['b', 'a', 'c', 'a', 'Z', 'é', '🛬', 'ﬀ'])).toEqual(['a', '🛬', 'ﬀ', 'é', 'c', 'b', 'Z'])
    expect(await tokens(vocabulary({ topK: 2 }), ['b', 'a', 'c', 'a'])).toEqual(['a', 'c'])
    expect(await tokens(vocabulary({ minFrequency: 2 }), ['b', 'a', 'c', 'a', 'c'])).toEqual(['c', 'a'])
  })

  it('never holds the empty text, line ends, the mask token or a null', async () => {
    expect(await tokens(vocabulary(), ['', '', 'a\nb', 'a\rb', null, 'a'])).toEqual(['a'])
    expect(await tokens(vocabulary({ maskToken: 'a' }), ['a', 'a', 'b'])).toEqual(['b'])
    expect(await tokens(vocabulary({ topK: 1 }), ['', '', '', 'a'])).toEqual(['a'])
  })

  it('never holds bytes that are not UTF-8', async () => {
    const bytes = Uint8Array.of(0xff, 0xfe, 0x61)
    const stream = fromBatches({ x: field.utf8() }, [makeBatch({ x: field.utf8() }, { x: bytesColumn(field.utf8(), Int32Array.of(0, 1, 2, 3), bytes) })])
    const { values, fitted } = await through(vocabulary(), stream as never)
    expect(fitted.state).toEqual({ tokens: ['a'] })
    expect(values).toEqual([0, 0, 1])
  })

  it('takes integers by their decimal text, and dictionaries by their values', async () => {
    expect(await tokens(vocabulary(), [10n, -5n, 10n, 2n ** 62n], field.int64())).toEqual(['10', '4611686018427387904', '-5'])
    expect(await tokens(vocabulary(), [7, 7, 255], field.uint8())).toEqual(['7', '255'])
    expect(await tokens(vocabulary(), ['b', 'a', null, 'a', 'b', 'a'], field.nullable(field.dictionary()))).toEqual(['a', 'b'])
  })

  it('counts a null as the empty text', async () => {
    const stream = column(field.nullable(field.utf8()), ['a', null, '', 'zz'])
    const masked = await through(vocabulary({ maskToken: '', oovBuckets: 1, minFrequency: 2 }), column(field.utf8(), ['a', 'a']), stream as never)
    expect(masked.values).toEqual([2, 0, 0, 1])
    const unmasked = await through(vocabulary({ oovBuckets: 1 }), column(field.utf8(), ['a']), stream as never)
    expect(unmasked.values).toEqual([1, 0, 0, 0])
  })

  it('stays itself in columns that begin in the middle of their buffer', async () => {
    const whole = batchFromRows({ x: field.utf8() }, ['one', 'two', 'three'].map((x) => ({ x })))
    const sliced = fromBatches({ x: field.utf8() }, [whole.slice(1, 3)])
    expect((await through(vocabulary(), sliced as never)).fitted.state).toEqual({ tokens: ['two', 'three'] })
  })
})

describe('numbers', () => {
  it('fill nulls by the rule of the kind', async () => {
    const stream = column(field.nullable(field.float32()), [1, null, 3])
    expect((await through(standardize(), stream)).values).toEqual([-1, 0, 1])
    expect((await through(standardize({ fill: 3 }), stream)).values).toEqual([-1, 1, 1])
    expect((await through(minMax(), stream)).values).toEqual([0, 0, 1])
    expect((await through(bucketize({ boundaries: [0, 2] }), stream)).values).toEqual([1, 1, 2])
    expect((await through(bucketize({ boundaries: [0, 2], fill: 5 }), stream)).values).toEqual([1, 2, 2])
    expect((await through(greaterThan(-1), stream)).values).toEqual([1, 1, 1])
    expect((await through(identity(), stream)).values).toEqual([1, 0, 3])
    expect((await through(identity({ fill: -1 }), column(field.nullable(field.bool()), [true, null, false]))).values).toEqual([1, -1, 0])
    expect((await through(oneHot({ depth: 2 }), column(field.nullable(field.int8()), [0, null, 1]))).values).toEqual([[1, 0], [0, 0], [0, 1]])
    expect((await through(hashBucket({ buckets: 5 }), column(field.nullable(field.utf8()), [null, '']))).values.every((x, _, all) => x === all[0])).toBe(true)
  })

  it('of one value are scaled without dividing by nothing', async () => {
    const stream = column(field.int32(), [4, 4])
    expect((await through(standardize(), stream)).values).toEqual([0, 0])
    expect((await through(minMax(), stream)).values).toEqual([Math.fround(1 / (1 + Math.exp(-4))), Math.fround(1 / (1 + Math.exp(-4)))])
  })

  it('fall in buckets of equal size by quantiles', async () => {
    const values = Array.from({ length: 100 }, (_, i) => (i * 37) % 100)
    const { values: found, fitted } = await through(bucketize({ buckets: 4 }), column(field.int32(), values))
    expect(fitted.state).toEqual({ boundaries: [25, 50, 75] })
    expect(fitted.cardinality).toBe(4)
    for (let bucket = 0; bucket < 4; bucket++) expect(found.filter((x) => x === bucket).length).toBe(25)
    const repeated = await through(bucketize({ buckets: 4 }), column(field.int32(), [1, 1, 1, 1, 1, 2]))
    expect(repeated.fitted.state).toEqual({ boundaries: [1] })
  })

  it('keep their kind in identity', async () => {
    expect((await through(identity(), column(field.float64(), [0.1]))).fitted.output).toEqual(field.float32())
    expect((await through(identity(), column(field.uint32(), [7]))).fitted.output).toEqual(field.int32())
    await expect(through(identity(), column(field.uint32(), [2 ** 31]))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    await expect(through(identity({ fill: 0.5 }), column(field.int32(), [1]))).rejects.toMatchObject({ code: 'BAD_FEATURE' })
  })

  it('beyond float32 cannot be standardized', async () => {
    await expect(through(standardize(), column(field.float64(), [1e300, 2e300]))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
  })
})

describe('registerFeatureKind', () => {
  it('adds a kind that is fitted, applied and restored as the others', async () => {
    registerFeatureKind({
      kind: 'negated',
      takes: ['float32'],
      describe: () => ({ output: field.float32() }),
      compile: () => (raw) => fixedColumn(field.float32(), Float32Array.from(raw.toArray() as number[], (value) => -value)),
    })
    const { fitted, values } = await through({ kind: 'negated', from: undefined, role: 'input', params: {}, inner: undefined } as AnyFeature, column(field.float32(), [1, 2]))
    expect(fitted).toMatchObject({ kind: 'negated', name: 'x', from: 'x', state: null })
    expect(values).toEqual([-1, -2])
    expect(() => registerFeatureKind(featureKind('negated'))).toThrow(/there is a kind of feature named negated already/)
  })
})
