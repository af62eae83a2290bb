import {
  aggregate, count, epochBatches, expandInputs, field, fromEvents, fromIterable, fromRows, gcsStorage, hdfsStorage, inferRows, interleave, join, minibatches, openOutputSet, pipe, readWhole,
  replayBuffer, run, s3Storage, shuffle, sort, split, statistics, toDataset, toTensors, writeFolder,
} from '@millrace/core'
import {
  hiveSchema, indexTfRecords, inferSchema, parseMetadataSchema, readArrow, readCsv, readHive, readJson, readMetadataSchema, readParquet, readRawRecords, readSequenceExamples, readSql, readTfRecords,
  sqlSchema, writeArrow, writeCsv, writeHive, writeJson, writeParquet, writeRawRecords, writeSequenceExamples, writeSql, writeTfRecords,
} from '@millrace/formats'
import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { errorOf } from '../support/error-of.js'

const schema = { id: field.int32(), at: field.timestamp() }
const stream = fromRows(schema, [{ id: 1, at: new Date(0) }])
const records = fromRows({ record: field.binary() }, [])

/** What is called with options of any type, as JavaScript does; whatever it gives is run. */
const taking = (call: (options: never) => unknown) => async (options: object): Promise<unknown> => {
  const made = await call(options as never)
  return typeof made === 'function' ? run(made as never) : made
}

/** Each function with options that it takes, an option mistyped, and the name that was meant. */
const functions: { readonly [name: string]: readonly [call: (options: object) => Promise<unknown>, options: object, mistyped: string, meant: string] } = {
  readCsv: [taking((options) => readCsv('x.csv', options)), { schema }, 'colums', 'columns'],
  readJson: [taking((options) => readJson('x.json', options)), { schema }, 'path', 'paths'],
  readParquet: [taking((options) => readParquet('x.parquet', options)), {}, 'rowgroups', 'rowGroups'],
  readArrow: [taking((options) => readArrow('x.arrow', options)), {}, 'batchrows', 'batchRows'],
  readTfRecords: [taking((options) => readTfRecords('x', options)), { schema: { id: field.int32() } }, 'default', 'defaults'],
  readSequenceExamples: [taking((options) => readSequenceExamples('x', options)), { context: { id: field.int32() } }, 'featureList', 'featureLists'],
  readRawRecords: [taking((options) => readRawRecords('x', options)), {}, 'workerz', 'workers'],
  indexTfRecords: [taking((options) => indexTfRecords('x', options)), { schema: { id: field.int32() } }, 'kept', 'keep'],
  inferCsv: [taking((options) => inferSchema('x.csv', options)), { format: 'csv' }, 'nulable', 'nullable'],
  inferJson: [taking((options) => inferSchema('x.json', options)), { format: 'json' }, 'nest', 'nested'],
  inferTfRecords: [taking((options) => inferSchema('x.tfrecord', options)), { format: 'tfrecord' }, 'row', 'rows'],
  readSql: [taking((options) => readSql('postgres://u@localhost/x', 'SELECT 1', options)), {}, 'orderby', 'orderBy'],
  'the partition of readSql': [taking((partition) => readSql('postgres://u@localhost/x', 'SELECT 1', { partition })), { column: 'id', count: 2 }, 'parallell', 'parallel'],
  sqlSchema: [taking((options) => sqlSchema('postgres://u@localhost/x', 'SELECT 1', options)), {}, 'parameter', 'parameters'],
  readHive: [taking((options) => readHive('hive://u@localhost/x', 'SELECT 1', options)), {}, 'orderby', 'orderBy'],
  hiveSchema: [taking((options) => hiveSchema('hive://u@localhost/x', 'SELECT 1', options)), {}, 'parameter', 'parameters'],
  writeCsv: [taking((options) => pipe(stream, writeCsv('x.csv', options))), {}, 'delimeter', 'delimiter'],
  writeJson: [taking((options) => pipe(stream, writeJson('x.json', options))), {}, 'null', 'nulls'],
  writeParquet: [taking((options) => pipe(stream, writeParquet('x.parquet', options))), {}, 'rowGroupRow', 'rowGroupRows'],
  writeArrow: [taking((options) => pipe(stream, writeArrow('x.arrow', options))), {}, 'rowsPerBatches', 'rowsPerBatch'],
  writeTfRecords: [taking((options) => pipe(stream, writeTfRecords('x', options))), {}, 'shard', 'shards'],
  writeRawRecords: [taking((options) => pipe(records, writeRawRecords('x', options))), {}, 'shard', 'shards'],
  writeSequenceExamples: [taking((options) => pipe(stream, writeSequenceExamples('x', options))), { featureLists: [] }, 'ifExist', 'ifExists'],
  writeSql: [taking((options) => pipe(stream, writeSql('postgres://u@localhost/x', 't', options))), {}, 'ifexists', 'ifExists'],
  writeHive: [taking((options) => pipe(stream, writeHive('hive://u@localhost/x', 't', options))), { staging: '/tmp' }, 'partitionsBy', 'partitionBy'],
  parseMetadataSchema: [taking((options) => parseMetadataSchema('', 'schema.pbtxt', options)), {}, 'byte', 'bytes'],
  readMetadataSchema: [taking((options) => readMetadataSchema('schema.pbtxt', options)), {}, 'byte', 'bytes'],
  fromRows: [taking((options) => fromRows(schema, [], options)), {}, 'batchRow', 'batchRows'],
  fromIterable: [taking((options) => fromIterable(schema, [], options)), {}, 'furtherKey', 'furtherKeys'],
  fromEvents: [taking((options) => fromEvents(schema, new EventEmitter(), options)), {}, 'bufferedRows', 'bufferRows'],
  inferRows: [taking((options) => inferRows([{ id: 1 }], options)), {}, 'sampleRow', 'sampleRows'],
  shuffle: [taking((options) => shuffle(options)(stream)), { seed: 1 }, 'windowRow', 'windowRows'],
  interleave: [taking((options) => interleave([stream], options)(stream)), {}, 'weight', 'weights'],
  sort: [taking((options) => pipe(stream, sort('id', options))), {}, 'uniq', 'unique'],
  'a key of sort': [taking((key) => pipe(stream, sort([key]))), { by: 'id' }, 'ordered', 'order'],
  split: [taking((how) => pipe(stream, split({ train: 1 }, how))), { byKey: 'id' }, 'sead', 'seed'],
  join: [taking((options) => pipe(stream, join(stream, options) as never)), { on: 'id', suffix: '2' }, 'sufix', 'suffix'],
  aggregate: [taking((options) => (aggregate(options) as (of: unknown) => unknown)(stream)), { by: ['id'], values: { rows: count() } }, 'value', 'values'],
  statistics: [taking((options) => pipe(stream, statistics(options))), {}, 'topValue', 'topValues'],
  toTensors: [async (options) => toTensors((await stream[Symbol.asyncIterator]().next()).value as never, options), { columns: ['id'] }, 'scalar', 'scalars'],
  minibatches: [taking((options) => minibatches(stream, options).then(() => undefined)), { columns: ['id'] }, 'labels', 'label'],
  epochBatches: [async (options) => void epochBatches(stream, options), {}, 'batchsize', 'batchSize'],
  toDataset: [async (options) => void (await toDataset(stream, options)), { columns: ['id'] }, 'shufle', 'shuffle'],
  replayBuffer: [async (options) => replayBuffer(schema, options as never), { capacity: 1 }, 'capcity', 'capacity'],
  'field.timestamp': [async (options) => field.timestamp(options), {}, 'zones', 'zone'],
  'field.int64': [async (options) => field.int64(options), {}, 'a', 'as'],
  s3Storage: [async (options) => s3Storage(options), {}, 'endPoint', 'endpoint'],
  gcsStorage: [async (options) => gcsStorage(options), {}, 'credential', 'credentials'],
  hdfsStorage: [async (options) => hdfsStorage(options), {}, 'delegationtoken', 'delegationToken'],
  expandInputs: [taking((options) => expandInputs('x', undefined, options)), {}, 'requiresSuccess', 'requireSuccess'],
  readWhole: [taking((options) => readWhole('x', options)), {}, 'limitbytes', 'limitBytes'],
  openOutputSet: [taking((options) => openOutputSet([], options)), {}, 'ifExist', 'ifExists'],
  writeFolder: [taking((options) => writeFolder('x', options, async () => undefined)), {}, 'isReplacable', 'isReplaceable'],
}

describe.each(Object.entries(functions))('%s', (name, [call, options, mistyped, meant]) => {
  const said = name.startsWith('infer') && name !== 'inferRows' ? 'inferSchema' : name

  it('refuses an option that it does not have, and says which it has', async () => {
    const error = await errorOf(async () => call({ ...options, [mistyped]: undefined }))
    expect([error._tag, error.code]).toEqual(['Usage', 'UNKNOWN_OPTION'])
    expect(error.message).toContain(`${said} has no option ${JSON.stringify(mistyped)}. Did you mean ${meant}? The options are: `)
    expect(error.message).toMatch(new RegExp(`The options are: .*\\b${meant}\\b`))
  })

  it('takes those that it has', async () => {
    const code = await errorOf(async () => {
      await call({ ...options, [meant]: (options as { readonly [name: string]: unknown })[meant] })
      throw Object.assign(new Error('fine'), { name: 'MillraceError', _tag: 'Internal', code: 'FINE' })
    }).then((error) => error.code)
    expect(code).not.toBe('UNKNOWN_OPTION')
    expect(code).not.toBe('BAD_OPTION')
  })
})

describe('options of another type', () => {
  const wrong: readonly (readonly [string, object])[] = [
    ['readCsv', { trim: 'yes' }], ['readCsv', { delimiter: 9 }], ['readCsv', { batchRows: -1 }], ['readCsv', { batchRows: NaN }], ['readCsv', { maxFields: 0 }], ['readJson', { maxDepth: 'deep' }],
    ['readParquet', { batchRows: '10' }], ['readArrow', { batchRows: 1.5 }], ['readTfRecords', { maxRecordBytes: NaN }], ['readRawRecords', { compression: 'zip' }],
    ['readJson', { requireSuccess: 1 }], ['readSql', { batchRows: -1 }], ['the partition of readSql', { count: NaN }], ['readHive', { parameters: 'x' }],
    ['inferCsv', { rows: -1 }], ['inferJson', { mixed: 'maybe' }], ['inferTfRecords', { nullable: 'no' }], ['inferCsv', { decimals: 'exact' }],
    ['writeCsv', { header: 'yes' }], ['writeJson', { nulls: 'drop' }], ['writeParquet', { rowGroupRows: NaN }], ['writeParquet', { dictionary: 'no' }], ['writeArrow', { rowsPerBatch: -1 }],
    ['writeTfRecords', { shards: -1 }], ['writeTfRecords', { compression: 'zip' }], ['writeSql', { ifExists: 'merge' }], ['writeHive', { staging: 3 }],
    ['fromRows', { batchRows: NaN }], ['fromIterable', { stableOrder: 'yes' }], ['fromEvents', { overflow: 'wait' }], ['inferRows', { sampleRows: 0 }], ['shuffle', { seed: NaN }], ['shuffle', { windowRows: 0 }],
    ['interleave', { until: 'never' }], ['interleave', { weights: [1] }], ['sort', { unique: 1 }], ['sort', { maxRows: NaN }], ['a key of sort', { order: 'down' }], ['split', { seed: '1' }],
    ['join', { order: 'left' }], ['join', { threads: NaN }], ['aggregate', { threads: 0 }], ['statistics', { topValues: -1 }], ['toTensors', { scalars: 'row' }], ['minibatches', { batchSize: -1 }],
    ['epochBatches', { batchSize: NaN }], ['replayBuffer', { capacity: -1 }], ['field.timestamp', { unit: 'minutes' }], ['field.int64', { as: 'text' }], ['s3Storage', { tries: NaN }], ['s3Storage', { parallelParts: 0 }],
    ['gcsStorage', { tries: 'two' }], ['hdfsStorage', { partBytes: -1 }], ['expandInputs', { mayBeEmpty: 'yes' }], ['readWhole', { limitBytes: NaN }], ['openOutputSet', { ifExists: 'append' }], ['writeFolder', { ifExists: 'append' }],
  ]

  it.each(wrong)('%s %o', async (name, given) => {
    const [call, options] = functions[name]!
    const error = await errorOf(async () => call({ ...options, ...given }))
    expect(error._tag).toBe('Usage')
    expect(error.message).toContain(Object.keys(given)[0]!)
  })
})
