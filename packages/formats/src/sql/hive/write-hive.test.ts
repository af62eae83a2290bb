import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run } from '@millrace/core'
import { asyncBufferFromFile, parquetMetadataAsync } from 'hyparquet'
import { expect, test } from 'vitest'
import { writeParquet } from '../../parquet/index.js'
import { createHiveTable, requireHiveColumns, storedSchema } from './hive-create.js'
import { requireStaging } from './staging.js'

test('a table has the types that hold the values, unsigned ones in the next wider', () => {
  const schema = {
    a: field.uint8(), b: field.nullable(field.uint64()), c: field.list(field.nullable(field.uint32())), d: field.decimal(9, 2), e: field.dictionary(), f: field.timestamp({ unit: 'ns' }), 'g`': field.date(), day: field.date(),
  }
  expect(createHiveTable('`t`', storedSchema(schema, true), ['day'])).toBe(
    'CREATE TABLE `t` (`a` smallint, `b` decimal(20,0), `c` array<bigint>, `d` decimal(9,2), `e` string, `f` timestamp, `g``` date) PARTITIONED BY (`day` date) STORED AS PARQUET',
  )
  expect(storedSchema(schema, true)['f']).toMatchObject({ kind: 'timestamp', params: { unit: 'us' } })
  expect(storedSchema(schema, false)).toMatchObject({ b: { nullable: true }, f: { params: { unit: 'ns' } } })
})

test('columns that Hive does not tell apart, cannot read or cannot partition by are refused', () => {
  const n = field.int32()
  for (const [schema, partitionBy] of [[{ a: n, A: n }, []], [{ 'a b': n }, []], [{ a: n }, ['b']], [{ a: n, b: field.float64() }, ['b']], [{ a: n }, ['a']]] as const) {
    expect(() => requireHiveColumns(schema, partitionBy), JSON.stringify(schema)).toThrow(expect.objectContaining({ _tag: 'Schema', code: 'HIVE_COLUMNS' }) as Error)
  }
  requireHiveColumns({ a: n, 'b`"ü': n }, ['a'])
})

test('a staging folder is named as Hadoop names it, or refused', () => {
  expect(requireStaging('hdfs://nn/tmp/', undefined)).toEqual({ folder: 'hdfs://nn/tmp', onServer: 'hdfs://nn/tmp' })
  expect(requireStaging('webhdfs://nn:9870/tmp', 'hdfs://nn/tmp')).toEqual({ folder: 'webhdfs://nn:9870/tmp', onServer: 'hdfs://nn/tmp' })
  if (process.platform !== 'win32') {
    // In Hadoop's paths nothing is escaped.
    expect(requireStaging('/tmp/a b', undefined).onServer).toBe('file:///tmp/a b')
    expect(requireStaging('file:///tmp/a%20b/', undefined).onServer).toBe('file:///tmp/a b')
  }
  for (const folder of ['', "/tmp/it's", '/tmp/$x', '/tmp/a\\b', '/tmp/*', 'hdfs://nn/a\nb']) expect(() => requireStaging(folder, undefined), folder).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }) as Error)
  expect(() => requireStaging('https://host/folder', undefined)).toThrow(expect.objectContaining({ code: 'READ_ONLY_STORAGE' }) as Error)
})

test('timestamps are local where that is asked, and instants where it is not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-local-'))
  try {
    for (const [timestamps, isInstant] of [['local', false], ['instant', true], [undefined, true]] as const) {
      const file = join(folder, `${timestamps}.parquet`)
      await run(pipe(fromRows({ at: field.timestamp() }, [{ at: new Date(0) }]), writeParquet(file, { timestamps })))
      const { schema } = await parquetMetadataAsync(await asyncBufferFromFile(file))
      expect(schema.find(({ name }) => name === 'at')!.logical_type).toMatchObject({ type: 'TIMESTAMP', isAdjustedToUTC: isInstant })
      expect(schema.find(({ name }) => name === 'at')!.converted_type).toBe(isInstant ? 'TIMESTAMP_MILLIS' : undefined)
    }
    expect(() => writeParquet(join(folder, 'x'), { timestamps: 'utc' as 'local' })).not.toThrow()
    await expect(run(pipe(fromRows({ at: field.timestamp() }, []), writeParquet(join(folder, 'x'), { timestamps: 'utc' as 'local' })))).rejects.toMatchObject({ code: 'BAD_OPTION' })
  } finally {
    await rm(folder, { recursive: true })
  }
})
