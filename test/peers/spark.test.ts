// By part files: no spark-tfrecord connector runs here. Of Maven Central's, as of November 2026, com.linkedin.sparktfrecord's spark-tfrecord_2.12 and
// _2.13 (0.6.1, 0.7.0, 0.8.0) could not be fetched, and org.tensorflow's spark-tensorflow-connector_2.11 (1.15.0) could, but is for Scala 2.11, while
// Spark 4 is Scala 2.13.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, hdfsStorage, pipe, registerStorage, run, sort, type Row, type Stream } from '@millrace/core'
import { readCsv, readJson, readParquet, readRawRecords, readTfRecords, writeCsv, writeJson, writeParquet, writeTfRecords } from '@millrace/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeHdfs, startHdfs, type HdfsTestCluster } from '../support/hdfs-cluster.js'
import { describeSpark, SPARK_TIMEOUT, SparkProcess } from '../support/spark.js'
import { plainRows } from './plain-rows.js'

const own = { id: field.int64(), price: field.nullable(field.float64()), name: field.nullable(field.utf8()) }
const schema = { ...own, day: field.date(), country: field.nullable(field.utf8()), at: field.timestamp() }

const countries = ['de', 'a/b: "ü" {x}=%', null, "it's [1]*?#^"]
const rows: readonly Row<typeof schema>[] = Array.from({ length: 24 }, (_, i) => ({
  id: 2n ** 60n + BigInt(i), price: i % 5 === 0 ? null : i / 4, name: i % 7 === 0 ? null : `näme "${i}", x`,
  day: new Date(Date.UTC(2026, 10, 23 + (i % 2))), country: countries[i % 4]!, at: new Date(Date.UTC(2026, 10, 24, 10, 30, i % 2, (i % 2) * 250)),
}))
/** As Spark tells them. */
const plain = rows.map(({ id, price, name, day, country, at }) => [String(id), price, name, day.toISOString().slice(0, 10), country, at.getTime()])
const columns = 'cast(id as string) id, price, name, cast(cast(day as date) as string) day, country, unix_millis(cast(at as timestamp)) at'

describeSpark('Spark', () => {
  let spark: SparkProcess
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-spark-'))
    spark = new SparkProcess()
    await spark.run(`
import datetime
rows = [(int(i), None if p is None else float(p), n, datetime.date.fromisoformat(d), c, datetime.datetime.fromtimestamp(t / 1000, datetime.timezone.utc)) for i, p, n, d, c, t in args]
spark.createDataFrame(rows, 'id long, price double, name string, day date, country string, at timestamp').createOrReplaceTempView('rows')`, plain)
  }, SPARK_TIMEOUT)
  afterAll(() => {
    spark?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const byId = (stream: Stream<typeof schema>): Promise<readonly Row<typeof schema>[]> => run(pipe(stream, sort('id'), collect()))

  test('writes partitioned folders that are read with the same rows', async () => {
    await spark.run(`
df = spark.table('rows').repartition(2)
for name, options in (('csv', dict(header=True, compression='gzip', escape='"')), ('json', dict(compression='gzip')), ('parquet', dict(compression='snappy'))):
    df.write.partitionBy('day', 'country', 'at').options(**options).format(name).save(args + '/spark-' + name)`, folder)
    expect(await byId(readCsv(join(folder, 'spark-csv'), { schema, requireSuccess: true }))).toEqual(rows)
    expect(await byId(readJson(join(folder, 'spark-json'), { schema, requireSuccess: true }))).toEqual(rows)
    expect(await byId(readParquet(join(folder, 'spark-parquet'), { schema, requireSuccess: true }))).toEqual(rows)
    const german = await byId(readParquet(join(folder, 'spark-parquet'), { schema, where: { country: { eq: 'de' }, price: { gt: 2 } } }))
    expect(german).toEqual(rows.filter(({ country, price }) => country === 'de' && price !== null && price > 2))
  }, SPARK_TIMEOUT)

  test('reads the partitioned folders that are written, with the same rows', async () => {
    const stream = fromRows(schema, rows, { batchRows: 7 })
    const partitionBy = ['day', 'country', 'at']
    await run(pipe(stream, writeCsv(join(folder, 'our-csv'), { partitionBy, compression: 'gzip', rowsPerFile: 2 })))
    await run(pipe(stream, writeJson(join(folder, 'our-json'), { partitionBy, shards: 2 })))
    await run(pipe(stream, writeParquet(join(folder, 'our-parquet'), { partitionBy })))
    for (const [name, options] of [['csv', { header: true, escape: '"', schema: 'id long, price double, name string, day date, country string, at timestamp' }], ['json', {}], ['parquet', {}]] as const) {
      const found = await spark.run(`
options = dict(args['options'])
schema = options.pop('schema', None)
reader = spark.read.options(**options).format(args['name'])
reader = reader.schema(schema) if schema else reader
df = reader.load(args['folder'] + '/our-' + args['name'])
result = [list(row) for row in df.selectExpr(*args['columns'].split(', ')).orderBy('id').collect()]`, { folder, name, options, columns })
      expect([name, found]).toEqual([name, plain])
    }
  }, SPARK_TIMEOUT)

  test('writes structs, maps and lists of them, in its form and in the one before, whose leaves are read as it selects them', async () => {
    const leaves = ['id', 'user.name', 'user.address.city', 'items.price', 'items.sizes', 'tags.key', 'tags.value.a', 'grid', 'orders.lines.n'] as const
    const told = await spark.run<readonly unknown[][]>(`
df = spark.range(5000).selectExpr('cast(id as int) id',
  "if(id % 5 = 2, null, named_struct('name', concat('n', id % 7), 'address', if(id % 3 = 1, null, named_struct('city', concat('c', lpad(id, 5, '0')))))) user",
  "if(id % 9 = 4, null, transform(sequence(1, id % 4), k -> if(k = 2, null, named_struct('price', cast(k + id as decimal(9, 2)), 'sizes', if(k = 3, null, array(cast(k as int), null)))))) items",
  "if(id % 8 = 5, null, map_from_entries(transform(sequence(1, 1 + id % 3), k -> struct(concat('k', k), if(k = 2, null, named_struct('a', id + k)))))) tags",
  "if(id % 6 = 3, null, array(array(), null, array(cast(id as int), null))) grid",
  "array(named_struct('lines', transform(sequence(1, id % 4), k -> named_struct('n', cast(k as int))))) orders")
for legacy in ('false', 'true'):
    spark.conf.set('spark.sql.parquet.writeLegacyFormat', legacy)
    df.repartition(1).sortWithinPartitions('id').write.option('parquet.page.row.count.limit', 100).parquet(args + '/nested-' + legacy)
spark.conf.set('spark.sql.parquet.writeLegacyFormat', 'false')
found = df.selectExpr('id', 'user.name', 'user.address.city', 'transform(items.price, p -> cast(p as string))', 'items.sizes', 'map_keys(tags)', 'transform(map_values(tags).a, a -> cast(a as string))', 'grid', 'transform(orders.lines, l -> l.n)')
result = [list(row) for row in found.orderBy('id').collect()]`, folder)
    const due = told.map((row) => Object.fromEntries(leaves.map((name, i) => [name, row[i]])))
    for (const form of ['nested-false', 'nested-true']) {
      const stream = readParquet(join(folder, form), { requireSuccess: true })
      expect(Object.keys(await stream.findSchema()), form).toEqual([...leaves])
      expect(plainRows(await run(pipe(stream, collect()))), form).toEqual(due)
      const columns = ['id', 'items.price', 'user.address.city']
      const cities = await run(pipe(readParquet(join(folder, form), { columns, where: { 'user.address.city': { gte: 'c04990' } } }), collect()))
      expect(plainRows(cities), form).toEqual(due.flatMap((row) => (String(row['user.address.city'] ?? '') >= 'c04990' ? [Object.fromEntries(columns.map((name) => [name, row[name]]))] : [])))
    }
  }, SPARK_TIMEOUT)

  test('and Hadoop write part files of TFRecords that are read, and read those that are written', async () => {
    const records = rows.map(({ id, price, name }) => ({ id, price: price ?? -1, name: name ?? '' }))
    const flat = { id: field.int64(), price: field.float32(), name: field.utf8() }
    const ours = join(folder, 'our-tfrecords')
    await run(pipe(fromRows(flat, records), writeTfRecords(ours, { partitionBy: [], shards: 3, compression: 'gzip' })))
    const passed = await spark.run<number>(`
read = lambda path: sc.newAPIHadoopFile(path, 'org.tensorflow.hadoop.io.TFRecordFileInputFormat', 'org.apache.hadoop.io.BytesWritable', 'org.apache.hadoop.io.NullWritable')
found = read(args + '/our-tfrecords').map(lambda pair: (bytearray(pair[0]), None)).collect()
result = len(found)
for name, codec in (('plain', None), ('packed', 'true')):
    conf = {'mapreduce.output.fileoutputformat.compress': codec, 'mapreduce.output.fileoutputformat.compress.codec': 'org.apache.hadoop.io.compress.GzipCodec'} if codec else {}
    sc.parallelize(found, 2).saveAsNewAPIHadoopFile(args + '/hadoop-' + name, 'org.tensorflow.hadoop.io.TFRecordFileOutputFormat', keyClass='org.apache.hadoop.io.BytesWritable', valueClass='org.apache.hadoop.io.NullWritable', conf=conf)`, folder)
    expect(passed).toBe(rows.length)
    const parts = readdirSync(join(folder, 'hadoop-plain')).filter((name) => name.startsWith('part-'))
    expect(parts.sort()).toEqual(['part-r-00000', 'part-r-00001'])
    for (const name of ['hadoop-plain', 'hadoop-packed']) {
      expect(await run(pipe(readTfRecords(join(folder, name), { schema: flat, requireSuccess: true }), sort('id'), collect()))).toEqual(records)
    }
    expect(await run(pipe(readRawRecords(join(folder, 'hadoop-plain', 'part-r-*')), collect()))).toHaveLength(rows.length)
  }, SPARK_TIMEOUT)

  test('leaves out pages of Parquet by the index that we write, and no row of them', async () => {
    const count = 50_000
    const wide = { id: field.int32(), down: field.int64(), name: field.nullable(field.utf8()), word: field.utf8(), price: field.decimal(9, 2), at: field.timestamp(), odd: field.float64() }
    const records = Array.from({ length: count }, (_, i): Row<typeof wide> => ({
      id: i, down: BigInt(-i), name: i % 9 === 4 ? null : `name ${String(i).padStart(6, '0')}${'é'.repeat(i % 50)}`, word: `w${i % 7}`, price: `${i - 20_000}.25`, at: new Date(1.7e12 + 1000 * i), odd: i === 40_000 ? NaN : i,
    }))
    const file = join(folder, 'pages.parquet')
    await run(pipe(fromRows(wide, records), writeParquet(file)))
    const conditions: readonly (readonly [string, (row: Row<typeof wide>) => boolean])[] = [
      ['id between 20000 and 20010', ({ id }) => id >= 20_000 && id <= 20_010],
      ['down <= -49990', ({ down }) => down <= -49_990n],
      ["name > 'name 049980' or name < 'name 000003'", ({ name }) => name !== null && (name > 'name 049980' || name < 'name 000003')],
      ["word = 'w3' and id < 50", ({ word, id }) => word === 'w3' && id < 50],
      ["price > 29990.00 and price < 29995.00", ({ id }) => id > 49_989 && id < 49_995],
      ["price < -19995.00", ({ id }) => id < 6],
      [`at = timestamp_millis(${1.7e12 + 33_000_000})`, ({ id }) => id === 33_000],
      // To Spark, not a number is above all numbers.
      ['odd > 49995', ({ odd }) => odd > 49_995 || Number.isNaN(odd)],
      ['id < 0', () => false],
    ]
    const found = await spark.run<readonly (readonly number[])[]>(`
df = spark.read.parquet(args['file'])
result = [[row[0] for row in df.filter(condition).select('id').orderBy('id').collect()] for condition in args['conditions']]`, { file, conditions: conditions.map(([condition]) => condition) })
    for (const [i, [condition, due]] of conditions.entries()) expect([condition, found[i]]).toEqual([condition, records.filter(due).map(({ id }) => id)])
  }, SPARK_TIMEOUT)

  describeHdfs('and HDFS', 'ha', () => {
    let cluster: HdfsTestCluster
    let undo: () => void
    let web: string
    beforeAll(async () => {
      cluster = await startHdfs('ha')
      web = `webhdfs://localhost:${cluster.ports[0]}`
      const config = join(cluster.folder, 'spark-config')
      mkdirSync(config)
      const properties = { 'dfs.nameservices': 'mill', 'dfs.ha.namenodes.mill': 'one,two', 'dfs.namenode.http-address.mill.one': `localhost:${cluster.ports[0]}`, 'dfs.namenode.http-address.mill.two': `localhost:${cluster.ports[1]}` }
      writeFileSync(join(config, 'hdfs-site.xml'), `<configuration>${Object.entries(properties).map(([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`).join('')}</configuration>`)
      undo = registerStorage(hdfsStorage({ scheme: 'hdfs', configFolder: config, user: 'alice' }))
    }, SPARK_TIMEOUT)
    afterAll(async () => {
      undo?.()
      await cluster?.stop()
    })

    test('Spark writes Parquet and TFRecords there that are read', async () => {
      const records = rows.map(({ id, price, name }) => ({ id, price: price ?? -1, name: name ?? '' }))
      const flat = { id: field.int64(), price: field.float32(), name: field.utf8() }
      const local = join(folder, 'for-hdfs')
      await run(pipe(fromRows(flat, records), writeTfRecords(local, { partitionBy: [], shards: 1 })))
      await spark.run(`
spark.table('rows').repartition(2).write.partitionBy('day').parquet(args['web'] + '/spark/parquet')
read = sc.newAPIHadoopFile('file://' + args['local'], 'org.tensorflow.hadoop.io.TFRecordFileInputFormat', 'org.apache.hadoop.io.BytesWritable', 'org.apache.hadoop.io.NullWritable').map(lambda pair: (bytearray(pair[0]), None))
read.repartition(2).saveAsNewAPIHadoopFile(args['web'] + '/spark/tfrecords', 'org.tensorflow.hadoop.io.TFRecordFileOutputFormat', keyClass='org.apache.hadoop.io.BytesWritable', valueClass='org.apache.hadoop.io.NullWritable')`, { web, local })
      expect(await byId(readParquet('hdfs://mill/spark/parquet', { schema, requireSuccess: true }))).toEqual(rows)
      expect(await run(pipe(readTfRecords('hdfs://mill/spark/tfrecords', { schema: flat, requireSuccess: true }), sort('id'), collect()))).toEqual(records)
    }, SPARK_TIMEOUT)

    test('what is written there, Spark and Hadoop read', async () => {
      const stream = fromRows(schema, rows, { batchRows: 7 })
      await run(pipe(stream, writeParquet('hdfs://mill/ours/parquet', { partitionBy: ['day'] })))
      await run(pipe(fromRows({ id: field.int64() }, rows.map(({ id }) => ({ id }))), writeTfRecords('hdfs://mill/ours/tfrecords', { partitionBy: [], shards: 2 })))
      const found = await spark.run<{ readonly rows: unknown; readonly records: number }>(`
df = spark.read.parquet(args['web'] + '/ours/parquet')
records = sc.newAPIHadoopFile(args['web'] + '/ours/tfrecords', 'org.tensorflow.hadoop.io.TFRecordFileInputFormat', 'org.apache.hadoop.io.BytesWritable', 'org.apache.hadoop.io.NullWritable').count()
result = {'rows': [list(row) for row in df.selectExpr(*args['columns'].split(', ')).orderBy('id').collect()], 'records': records}`, { web, columns })
      expect(found).toEqual({ rows: plain, records: rows.length })
    }, SPARK_TIMEOUT)
  })
})
