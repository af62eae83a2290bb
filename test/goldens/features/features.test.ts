import { readFileSync } from 'node:fs'
import { features, featuresFromJSON, field, fromRows, hashBucket, run, standardize, type FittedFeature, type Json, type Stream } from '@millrace/core'
import { describe, expect, it } from 'vitest'

// Every value here was written by TensorFlow and Keras; make.py beside this file did it.

const golden = <Case>(name: string): readonly Case[] =>
  (JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8')) as { readonly cases: readonly Case[] }).cases

/** JSON has no NaN and no infinities: they are texts. */
const numbers = (values: readonly (number | string)[]): readonly number[] => values.map(Number)

/** A fitted feature with the state that TensorFlow was given. */
const fitted = (kind: string, input: FittedFeature['input'], params: Json, state: Json, output: FittedFeature['output']) =>
  featuresFromJSON({
    format: 'millrace.features', version: 1, rows: 1,
    features: [{ kind, name: 'x', from: 'x', role: 'input', params, state, input, output }],
  })

const applied = async (inputs: ReturnType<typeof fitted>, stream: Stream): Promise<readonly unknown[]> => {
  const out: unknown[] = []
  for await (const batch of inputs.apply(stream)) out.push(...(batch.columns['x'] as { toArray(): readonly unknown[] }).toArray())
  return out
}

describe('goldens of TensorFlow', () => {
  it.each(golden<{ buckets: number; values: string[]; expected: number[] }>('hashing'))('Hashing in $buckets', async ({ buckets, values, expected }) => {
    const stream = fromRows({ x: field.utf8() }, values.map((x) => ({ x })), { batchRows: 32 })
    const inputs = await run(features({ x: hashBucket({ buckets }) }).fit(stream))
    expect(await applied(inputs as never, stream)).toEqual(expected)
  })

  it.each(golden<{ maskToken: string | null; oovBuckets: number; tokens: string[]; values: string[]; expected: number[]; cardinality: number }>('string-lookup'))(
    'StringLookup with $oovBuckets OOV buckets and the mask $maskToken',
    async ({ maskToken, oovBuckets, tokens, values, expected }) => {
      const inputs = fitted('vocabulary', field.utf8(), { oovBuckets, maskToken }, { tokens }, field.int32())
      expect(await applied(inputs, fromRows({ x: field.utf8() }, values.map((x) => ({ x }))))).toEqual(expected)
    },
  )

  it.each(golden<{ mean: number; variance: number; values: (number | string)[]; expected: (number | string)[] }>('normalization'))(
    'Normalization by mean $mean and variance $variance',
    async ({ mean, variance, values, expected }) => {
      const inputs = fitted('standardize', field.float32(), {}, { mean, variance }, field.float32())
      expect(await applied(inputs, fromRows({ x: field.float32() }, numbers(values).map((x) => ({ x }))))).toEqual(numbers(expected))
    },
  )

  it.each(golden<{ values: number[]; mean: number; variance: number }>('normalization-adapted'))('Normalization adapted to mean $mean', async ({ values, mean, variance }) => {
    const stream = fromRows({ x: field.float32() }, values.map((x) => ({ x })), { batchRows: 7 })
    const { features: { x } } = await run(features({ x: standardize() }).fit(stream))
    const state = x.state as { readonly mean: number; readonly variance: number }
    // Keras sums in float32.
    expect(Math.abs(state.mean - mean)).toBeLessThanOrEqual(1e-5 * Math.abs(mean))
    expect(Math.abs(state.variance - variance)).toBeLessThanOrEqual(1e-5 * variance)
  })

  it.each(golden<{ boundaries: number[]; values: (number | string)[]; expected: number[] }>('discretization'))('Discretization at $boundaries', async ({ boundaries, values, expected }) => {
    const inputs = fitted('bucketize', field.float32(), { boundaries }, { boundaries: boundaries.map(Math.fround) }, field.int32())
    expect(await applied(inputs, fromRows({ x: field.float32() }, numbers(values).map((x) => ({ x }))))).toEqual(expected)
  })
})
