import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  features, featuresFromJSON, field, fromRows, hashBucket, minMax, pipe, rows, run, standardize, vocabulary,
  type FittedFeature, type Json, type Stream,
} from '@millrace/core'
import { readCsv } from '@millrace/formats'
import { beforeAll, describe, expect, it } from 'vitest'

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

describe('goldens of TensorFlow Transform on the airports', () => {
  const { edges, every, vocabularies, columns } = JSON.parse(readFileSync(new URL('./tensorflow-transform.json', import.meta.url), 'utf8')) as {
    readonly edges: readonly string[]
    readonly every: number
    readonly vocabularies: Readonly<Record<string, readonly string[]>>
    readonly columns: Readonly<Record<string, readonly number[]>>
  }
  const airports = readCsv(fileURLToPath(new URL('../../../node_modules/vega-datasets/data/airports.csv', import.meta.url)), {
    schema: { state: field.utf8(), city: field.utf8(), latitude: field.float32(), longitude: field.float32() },
  })
  let data: Stream<typeof schema, 'cold'>
  const schema = { ...airports.schema, edges: field.utf8(), holes: field.float32(), same: field.float32() }

  // As make_tft.py makes them.
  beforeAll(async () => {
    const made: object[] = []
    let i = 0
    for await (const row of rows(airports)) {
      made.push({ ...row, edges: edges[i % edges.length], holes: [NaN, Infinity, 1, 2.5, -7][i % 5], same: 4 })
      i++
    }
    data = fromRows(schema, made as never)
  })

  const sampled = async (stream: Stream): Promise<Readonly<Record<string, readonly unknown[]>>> => {
    const out: Record<string, unknown[]> = {}
    let i = 0
    for await (const row of rows(stream)) {
      if (i++ % every === 0) for (const [name, value] of Object.entries(row)) (out[name] ??= []).push(value)
    }
    return out
  }

  it.each(['state', 'city', 'edges'] as const)('vocabularies and hashes of %s', async (from) => {
    const spec = features({
      all: vocabulary({ from, oovBuckets: 5 }),
      top: vocabulary({ from, oovBuckets: 5, topK: 20 }),
      frequent: vocabulary({ from, minFrequency: 3 }),
      hashed: hashBucket({ from, buckets: 1000 }),
    })
    const inputs = await run(spec.fit(data))
    const found = await sampled(pipe(data, inputs.apply))
    for (const [choice, buckets] of [['all', 5], ['top', 5], ['frequent', 1]] as const) {
      const tokens = inputs.vocabulary(choice)
      expect(tokens).toEqual(vocabularies[`${from}_${choice}`])
      // TensorFlow Transform has its buckets after the tokens, Keras and we before.
      expect((found[choice] as number[]).map((index) => (index < buckets ? tokens.length + index : index - buckets))).toEqual(columns[`${from}_${choice}`])
    }
    expect(found['hashed']).toEqual(columns[`${from}_hashed`])
  })

  it('moments and scales', async () => {
    const spec = features({
      latitude_standardized: standardize({ from: 'latitude' }),
      longitude_standardized: standardize({ from: 'longitude' }),
      same_standardized: standardize({ from: 'same' }),
      holes_standardized: standardize({ from: 'holes' }),
      latitude_scaled: minMax({ from: 'latitude' }),
      longitude_scaled: minMax({ from: 'longitude' }),
      same_scaled: minMax({ from: 'same' }),
    })
    const inputs = await run(spec.fit(data))
    for (const name of ['latitude', 'longitude', 'holes', 'same'] as const) {
      const { mean, variance } = inputs.features[`${name}_standardized`].state as { readonly mean: number; readonly variance: number }
      // TensorFlow Transform computes in float32.
      expect(Math.abs(mean - columns[`${name}_mean`]![0]!)).toBeLessThanOrEqual(2e-6 * Math.abs(mean))
      expect(Math.abs(variance - columns[`${name}_variance`]![0]!)).toBeLessThanOrEqual(2e-5 * variance)
    }
    const found = await sampled(pipe(data, inputs.apply))
    for (const name of Object.keys(inputs.features).filter((one) => one !== 'holes_standardized')) {
      const theirs = columns[name]!
      ;(found[name] as number[]).forEach((value, i) => expect(Math.abs(value - theirs[i]!)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value))))
    }
  })
})
