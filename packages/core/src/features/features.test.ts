import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pipe, run } from '../job/index.js'
import { field } from '../schema/index.js'
import { fromBatches, fromRows, makeStream, select, type OpenContext, type Stream } from '../stream/index.js'
import { bucketize, dayOfWeek, features, featuresFromJSON, greaterThan, hashBucket, hourOfDay, identity, label, minMax, oneHot, standardize, vocabulary } from './index.js'

const flight = {
  origin: field.utf8(),
  date: field.timestamp(),
  distance: field.nullable(field.float32()),
  delay: field.int32(),
  day: field.date(),
  night: field.bool(),
}
const flights = fromRows(flight, [
  { origin: 'SFO', date: new Date('2001-01-01T00:47:00Z'), distance: 100, delay: 20, day: new Date('2001-01-06'), night: true },
  { origin: 'JFK', date: new Date('2001-01-02T23:59:59Z'), distance: 300, delay: 15, day: new Date('2001-01-07'), night: false },
  { origin: 'SFO', date: new Date('1969-12-31T23:00:00Z'), distance: null, delay: -3, day: new Date('1969-12-31'), night: false },
  { origin: 'ORD', date: new Date('2001-01-04T12:00:00Z'), distance: 200, delay: 16, day: new Date('1970-01-01'), night: true },
], { batchRows: 3 })

const collectRows = async (stream: Stream): Promise<readonly unknown[]> => {
  const rows: unknown[] = []
  for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
  return rows
}

const spec = features({
  origin: vocabulary(),
  hour: hourOfDay({ from: 'date' }),
  weekday: dayOfWeek({ from: 'day' }),
  distance: standardize(),
  scaled: minMax({ from: 'distance', fill: 300 }),
  far: bucketize({ boundaries: [150, 300], from: 'distance' }),
  hashed: hashBucket({ buckets: 10, from: 'origin' }),
  shape: oneHot(vocabulary({ topK: 1, from: 'origin' })),
  night: identity(),
  late: label(greaterThan(15, { from: 'delay' })),
})

describe('features', () => {
  it('fits on a stream and applies to it', async () => {
    const inputs = await run(spec.fit(flights))
    expect(inputs.vocabulary('origin')).toEqual(['SFO', 'ORD', 'JFK'])
    expect(inputs.vocabulary('shape')).toEqual(['SFO'])
    expect(inputs.cardinality('origin')).toBe(4)
    expect(inputs.features.distance.state).toEqual({ mean: 200, variance: 20000 / 3 })
    expect(inputs.rows).toBe(4)
    const deviation = Math.fround(Math.sqrt(20000 / 3))
    const rows = await collectRows(pipe(flights, inputs.apply))
    expect(rows).toEqual([
      { origin: 1, hour: 0, weekday: 6, distance: Math.fround(-100 / deviation), scaled: 0, far: 0, hashed: 1, shape: [0, 1], night: 1, late: 1 },
      { origin: 3, hour: 23, weekday: 0, distance: Math.fround(100 / deviation), scaled: 1, far: 2, hashed: 2, shape: [1, 0], night: 0, late: 0 },
      { origin: 1, hour: 23, weekday: 3, distance: 0, scaled: 1, far: 0, hashed: 1, shape: [0, 1], night: 0, late: 0 },
      { origin: 2, hour: 12, weekday: 4, distance: 0, scaled: 0.5, far: 1, hashed: 1, shape: [1, 0], night: 1, late: 1 },
    ].map((row, i) => ({ ...row, hashed: (rows[i] as { hashed: number }).hashed })))
  })

  it('asks the source for the columns it needs, and reads it once', async () => {
    const opened: OpenContext[] = []
    const watched = makeStream({
      schema: flight, mode: 'cold', plan: flights.plan, stableOrder: true, positions: 'native',
      open: (context) => {
        opened.push(context)
        return flights.open(context)
      },
    })
    const inputs = await run(spec.fit(watched))
    expect(opened.map(({ columns }) => columns)).toEqual([['origin', 'distance']])
    await collectRows(inputs.apply(watched))
    expect(opened[1]!.columns).toEqual(['origin', 'date', 'day', 'distance', 'night', 'delay'])
  })

  it('does not read the stream when nothing is to be fitted', async () => {
    const unread = makeStream({ schema: flight, mode: 'cold', plan: flights.plan, stableOrder: true, positions: 'native', open: () => expect.fail('opened') })
    const inputs = await run(features({ late: greaterThan(15, { from: 'delay' }) }).fit(unread))
    expect(inputs.rows).toBe(0)
  })

  it('comes back from JSON the same', async () => {
    const inputs = await run(spec.fit(flights))
    const restored = featuresFromJSON(JSON.stringify(inputs))
    expect(await collectRows(restored.apply(flights))).toEqual(await collectRows(inputs.apply(flights)))
    expect(JSON.stringify(restored)).toBe(JSON.stringify(inputs))
    expect(restored.cardinality('hour')).toBe(24)
  })

  it('leaves the labels out of what is served', async () => {
    const served = (await run(spec.fit(flights))).withoutLabels()
    expect(Object.keys(served.output)).not.toContain('late')
    const { delay: _delay, ...raw } = flight
    const unlabelled = fromRows(raw, [{ origin: 'XXX', date: new Date(0), distance: 1, day: new Date(0), night: false }])
    expect(await collectRows(pipe(unlabelled, served.apply))).toMatchObject([{ origin: 0, hour: 0 }])
  })

  it('adds the labels to raw columns, however few are looked at', async () => {
    const inputs = await run(spec.fit(flights))
    const labelled = pipe(flights, inputs.addLabels)
    const expected = (await collectRows(pipe(flights, inputs.apply))).map((row) => (row as { late: number }).late)
    expect(Object.keys(labelled.schema)).toEqual([...Object.keys(flight), 'late'])
    expect((await collectRows(labelled)).map((row) => (row as { late: number }).late)).toEqual(expected)
    expect(await collectRows(pipe(labelled, select('late')))).toEqual(expected.map((late) => ({ late })))
    expect(() => pipe(labelled, inputs.addLabels)).toThrow(/"late"/)
  })

  it('writes vocabularies one token a line', async () => {
    const folder = join(await mkdtemp(join(tmpdir(), 'millrace-')), 'vocabularies')
    const inputs = await run(spec.fit(flights))
    const report = await run(inputs.writeVocabularies(folder))
    expect(report.files.map(({ feature, tokens }) => [feature, tokens])).toEqual([['origin', 3], ['shape', 1]])
    expect(await readFile(join(folder, 'origin.txt'), 'utf8')).toBe('SFO\nORD\nJFK\n')
    await expect(run(inputs.writeVocabularies(folder))).rejects.toMatchObject({ _tag: 'AlreadyExists' })
    await run(inputs.writeVocabularies(folder, { ifExists: 'replace' }))
  })

  it('applies to columns of other kinds that hold the same', async () => {
    const inputs = await run(features({ origin: vocabulary(), hour: hourOfDay({ from: 'date' }) }).fit(flights))
    const other = { origin: field.dictionary(), date: field.timestamp({ unit: 'ns' }) }
    const rows = [{ origin: 'JFK', date: new Date('2024-05-05T05:00:00Z') }, { origin: 'LAX', date: new Date('1960-05-05T04:59:59.999Z') }, { origin: 'JFK', date: new Date(0) }]
    expect(await collectRows(inputs.apply(fromRows(other, rows)))).toEqual([{ origin: 3, hour: 5 }, { origin: 0, hour: 4 }, { origin: 3, hour: 0 }])
  })
})

describe('features, given what does not fit', () => {
  const fails = async (work: Promise<unknown> | (() => unknown), expected: object, ...words: readonly string[]): Promise<void> => {
    const error = await Promise.resolve().then(() => (typeof work === 'function' ? work() : work)).then(() => expect.fail('no error'), (thrown: unknown) => thrown as Error)
    expect(error).toMatchObject(expected)
    for (const word of words) expect(error.message).toContain(word)
  }
  const unchecked = flights as Stream as Stream<Record<string, never>, 'cold'>

  it('names the feature, and the column that was probably meant', async () => {
    await fails(run(features({ orign: vocabulary() }).fit(unchecked)), { _tag: 'Schema', code: 'NO_SUCH_COLUMN' }, 'feature "orign" (vocabulary)', 'Did you mean "origin"?')
  })

  it('names the feature, the kind and what it takes', async () => {
    await fails(run(features({ origin: standardize() }).fit(unchecked)), { _tag: 'Schema', code: 'WRONG_KIND' }, 'feature "origin" (standardize)', 'utf8', 'float32')
    await fails(run(features({ hour: oneHot(hourOfDay({ from: 'origin' })) }).fit(unchecked)), { code: 'WRONG_KIND' }, 'It takes: timestamp.')
    const numbers = fromRows({ n: field.dictionary(field.int32()) }, []) as Stream as Stream<Record<string, never>, 'cold'>
    await fails(run(features({ n: vocabulary() }).fit(numbers)), { code: 'WRONG_KIND' }, 'dictionary<int32>')
  })

  it('checks the stream that it is applied to', async () => {
    const inputs = featuresFromJSON(await run(features({ origin: vocabulary() }).fit(flights)).then((fitted) => fitted.toJSON()))
    await fails(() => inputs.apply(fromRows({ origin: field.float32() }, [])), { code: 'WRONG_KIND' }, 'feature "origin"')
  })

  it('refuses streams without rows or numbers', async () => {
    await fails(run(features({ origin: vocabulary() }).fit(fromBatches(flight, []))), { code: 'NO_ROWS' })
    const nan = fromRows({ x: field.nullable(field.float64()) }, [{ x: NaN }, { x: null }, { x: Infinity }])
    for (const feature of [standardize(), minMax(), bucketize({ buckets: 2 })]) {
      await fails(run(features({ x: feature }).fit(nan)), { code: 'NOTHING_TO_FIT', position: { column: 'x' } }, 'feature "x"')
    }
  })

  it('refuses a stream that can be read only once', async () => {
    const once = makeStream({ schema: flight, mode: 'once', plan: flights.plan, stableOrder: true, positions: 'replay', open: (context) => flights.open(context) })
    await fails(run(spec.fit(once as unknown as typeof flights)), { _tag: 'Usage', code: 'NEEDS_COLD' }, 'cache()')
  })

  it('refuses integers that the model cannot take', async () => {
    const big = fromRows({ id: field.int64() }, [{ id: 2n ** 31n }])
    const inputs = await run(features({ id: identity() }).fit(big))
    await fails(collectRows(inputs.apply(big)), { _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { column: 'id' } }, 'feature "id" (identity)')
  })

  it('refuses options without sense', async () => {
    const bad = { _tag: 'Usage', code: 'BAD_FEATURE' }
    await fails(() => vocabulary({ oovBuckets: 0 }), bad)
    await fails(() => vocabulary({ topK: 1.5 }), bad)
    await fails(() => bucketize({ boundaries: [1, 1] }), bad)
    await fails(() => bucketize({ boundaries: [0.1, 0.1 + 1e-12] }), bad)
    await fails(() => bucketize({ boundaries: [NaN] }), bad)
    await fails(() => greaterThan(NaN), bad)
    await fails(() => hashBucket({ buckets: 2 ** 31 }), bad)
    await fails(() => hourOfDay({ fill: 24 }), bad)
    await fails(run(features({ x: oneHot(standardize({ from: 'delay' }) as never) }).fit(unchecked)), { code: 'NOT_CATEGORICAL' })
    await fails(run(features({ x: oneHot(hashBucket({ buckets: 1e6, from: 'origin' })) }).fit(flights)), { _tag: 'Limit', code: 'TOO_WIDE' })
  })

  it('refuses JSON that is none of fitted features', async () => {
    const json = JSON.stringify(await run(spec.fit(flights)))
    const corrupt = { _tag: 'Corrupt' }
    await fails(() => featuresFromJSON('{'), corrupt)
    await fails(() => featuresFromJSON({}), corrupt)
    await fails(() => featuresFromJSON(json.replace('"version":1', '"version":2')), corrupt, 'version')
    await fails(() => featuresFromJSON(json.replace('"role":"label"', '"role":"other"')), corrupt)
    await fails(() => featuresFromJSON(json.replaceAll('"kind":"minMax"', '"kind":"maxMin"')), { _tag: 'Schema', code: 'UNKNOWN_FEATURE_KIND' }, 'minMax')
    await fails(() => featuresFromJSON(json.replace('{"tokens":["SFO","ORD","JFK"]}', 'null')), corrupt, 'feature "origin"')
    await fails(() => featuresFromJSON(json.replace('{"kind":"utf8"', '{"kind":"bool"')), { _tag: 'Schema', code: 'WRONG_KIND' }, 'feature "origin"')
    for (const [from, to] of [['"tokens":["SFO"', '"tokens":[1'], ['"mean":200', '"mean":null'], ['"boundaries":[150,300]},', '"boundaries":[300,150]},'], ['"threshold":15', '"threshold":"x"'], ['"oovBuckets":1', '"oovBuckets":0'], ['{"depth":2}', '{}']] as const) {
      expect(json).toContain(from)
      await fails(() => featuresFromJSON(json.replaceAll(from, to)), { ...corrupt, code: 'BAD_FEATURES_JSON' })
    }
    // Tokens that a vocabulary file cannot hold, or not twice.
    for (const tokens of ['"SFO","SFO"', '"SFO",""', '"SFO","a\\nb"', '"SFO","a\\r"', '"SFO","\\ud800"']) {
      await fails(() => featuresFromJSON(json.replace('"SFO","ORD"', tokens)), { ...corrupt, code: 'BAD_FEATURES_JSON' }, 'feature "origin"')
    }
    await fails(() => featuresFromJSON(json.replace('"maskToken":null', '"maskToken":"ORD"')), { ...corrupt, code: 'BAD_FEATURES_JSON' }, 'feature "origin"')
    expect(featuresFromJSON(json.replace('"SFO","ORD"', '"SFO","🛫"')).vocabulary('origin')).toEqual(['SFO', '🛫', 'JFK'])
  })

  it('stops when it is told to', async () => {
    const controller = new AbortController()
    const progress = (): void => controller.abort()
    await fails(run(spec.fit(flights), { signal: controller.signal, progress }), { _tag: 'Aborted' })
  })
})
