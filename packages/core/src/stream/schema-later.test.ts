import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { run } from '../job/index.js'
import { field, type Schema } from '../schema/index.js'
import { statistics } from '../statistics/index.js'
import { batchFromRows } from './batch.js'
import { cache, concat, drop, filter, interleave, map, mapColumns, prefetch, rebatch, rename, repeat, select, shard, shuffle, skip, sort, split, take, tap, withColumn, withSchema } from './operators/index.js'
import { LaterSchema } from './schema-later.js'
import { collect, countRows, forEach, preview, rows } from './sinks/index.js'
import { makeStream, type Stream } from './stream.js'
import { fromRows } from './from-batches.js'

const columns = { id: field.int32(), name: field.utf8() }
const table = [{ id: 2, name: 'b' }, { id: 1, name: 'a' }, { id: 3, name: 'c' }]

/** A source that tells its columns when it is looked at; `now` may have others than `found`. */
const source = (found: Schema = columns, now: Schema = found, data: readonly object[] = table): Stream<Schema, 'cold'> =>
  makeStream<Schema, 'cold'>({
    schema: new LaterSchema(() => Promise.resolve(found)),
    mode: 'cold', plan: { operator: 'source:test', options: {}, inputs: [] }, stableOrder: true, positions: 'replay',
    open: async function* (context) {
      context.tally.deliver(data.length)
      if (data.length > 0) yield batchFromRows(now, data as never)
      await Promise.resolve()
    },
  })

const by = (key: string) => (a: object, b: object) => Number((a as never)[key]) - Number((b as never)[key])
const all = async (stream: Stream): Promise<unknown> => run(collect()(stream))

describe('a stream whose columns are not known yet', () => {
  it('is shown without them until they are found', async () => {
    const stream = source()
    expect(inspect(stream)).toBe('Stream(?)\nsource:test')
    await stream.findSchema()
    expect(inspect(stream)).toBe('Stream(id: int32, name: utf8)\nsource:test')
  })

  it('says so, and looks them up when it is asked', async () => {
    const stream = source()
    expect(stream.knownSchema).toBeUndefined()
    expect(() => stream.schema).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'SCHEMA_UNKNOWN', message: expect.stringMatching(/source:test.*findSchema/s) as string }))
    expect(await stream.findSchema()).toEqual(columns)
    expect(stream.schema).toEqual(columns)
    expect(stream.pipe(select('id')).knownSchema).toEqual({ id: columns.id })
  })

  it('gives its rows to every sink', async () => {
    expect(await all(source())).toEqual(table)
    const seen: unknown[] = []
    for await (const row of rows(source())) seen.push(row)
    await run(forEach((row) => void seen.push(row))(source()))
    expect(seen).toEqual([...table, ...table])
    expect(await run(countRows()(source()))).toBe(3)
    expect((await run(preview(source(), 1))).text).toContain('name')
    expect(Object.keys((await run(preview(source(columns, columns, [])))).schema)).toEqual(['id', 'name'])
    expect((await run(statistics()(source()))).columns).toMatchObject({ id: { max: 3 }, name: { distinct: 3 } })
  })

  const operators: { readonly [name: string]: readonly [(stream: Stream<Schema, 'cold'>) => Stream, readonly object[]] } = {
    filter: [filter((row) => row.name === 'b'), [table[0]!]],
    tap: [tap(() => undefined), table],
    map: [map({ z: field.utf8() }, (row) => ({ z: `${String(row.id)}${String(row.name)}` })), [{ z: '2b' }, { z: '1a' }, { z: '3c' }]],
    withColumn: [withColumn('two', field.int32(), (row) => Number(row.id) * 2), table.map((row) => ({ ...row, two: row.id * 2 }))],
    mapColumns: [mapColumns({ n: field.int32() }, ({ numRows }) => ({ n: new Int32Array(numRows) })), table.map((row) => ({ ...row, n: 0 }))],
    select: [select('name'), table.map(({ name }) => ({ name }))],
    drop: [drop('name'), table.map(({ id }) => ({ id }))],
    rename: [rename({ name: 'called' }), table.map(({ id, name }) => ({ id, called: name }))],
    sort: [sort('id'), table.toSorted(by('id'))],
    concat: [concat(source()), [...table, ...table]],
    'concat of a known one': [(stream) => concat(stream)(fromRows(columns, table) as never), [...table, ...table]],
    interleave: [interleave([source()]), [...table, ...table]],
    take: [take(1), [table[0]!]],
    skip: [skip(2), [table[2]!]],
    rebatch: [rebatch(2), table],
    shard: [shard(1, 3), [table[1]!]],
    repeat: [repeat(2), [...table, ...table]],
    cache: [cache(), table],
    prefetch: [prefetch(2), table],
    withSchema: [withSchema({ id: field.int64() }), table.map(({ id }) => ({ id: BigInt(id) }))],
    'two at once': [(stream) => stream.pipe(withColumn('k', field.int8(), () => 1), select('k', 'id')), table.map(({ id }) => ({ k: 1, id }))],
  }
  it.each(Object.entries(operators))('passes %s', async (_name, [operator, expected]) => {
    const stream = operator(source())
    expect(stream.explain()).toContain('source:test')
    expect(await all(stream)).toEqual(expected)
    // A second reading, with what the first has found.
    expect(await all(stream)).toEqual(expected)
  })

  it('passes shuffle and split', async () => {
    expect((await all(source().pipe(shuffle({ seed: 1 })))) as object[]).toHaveLength(3)
    for (const how of [{ byKey: 'name' }, { byTime: 'id' }, { seed: 1 }]) {
      const parts = split({ a: 0.5, b: 0.5 }, how)(source())
      const found = [...((await all(parts.a)) as object[]), ...((await all(parts.b)) as object[])]
      expect(found.toSorted(by('id'))).toEqual(table.toSorted(by('id')))
    }
  })

  it('tells of columns that are not there when it is read', async () => {
    await expect(all(source().pipe(select('nam')))).rejects.toMatchObject({ code: 'NO_SUCH_COLUMN', remedy: 'Did you mean "name"? The columns are: id, name.' })
    await expect(all(source().pipe(sort('x')))).rejects.toMatchObject({ code: 'NO_SUCH_COLUMN' })
    await expect(all(source().pipe(concat(source({ id: columns.id }))))).rejects.toMatchObject({ code: 'NO_SUCH_COLUMN' })
  })

  it('refuses other columns than those that were found', async () => {
    const other = source(columns, { ...columns, id: field.int64() }, [{ id: 1n, name: 'a' }])
    await other.findSchema()
    await expect(all(other)).rejects.toMatchObject({ _tag: 'Schema', code: 'COLUMNS_CHANGED', position: { column: 'id' } })
    await expect(all(source(columns, { id: columns.id }).pipe(take(1)))).rejects.toMatchObject({ code: 'COLUMNS_CHANGED', position: { column: 'name' } })
  })
})
