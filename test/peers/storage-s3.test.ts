import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { field, fromRows, pipe, run, s3Storage, writeBytes } from '@millrace/core'
import { exportSavedModel, loadSavedModel } from '@millrace/export'
import { readParquet, writeParquet } from '@millrace/formats'
import * as tf from '@tensorflow/tfjs'
import { expect, test } from 'vitest'
import { foldersConform, prunesPartitions } from '../conformance/folders.js'
import { storageConformance } from '../conformance/storage.js'
import { writersConformAt } from '../conformance/writing.js'
import { countRequests } from '../support/count-requests.js'
import { describePeer, runPython } from '../support/peer.js'
import { describeObjectServer, s3Keys, s3Uploads, startS3, type ObjectServer } from '../support/object-servers.js'
import { useStoragePeer } from '../support/storage-peer.js'

/** The least that S3 takes. */
const PART_BYTES = 5 << 20

describeObjectServer('S3', 's3', () => {
  let server: ObjectServer
  const options = () => ({ endpoint: server.endpoint, credentials: s3Keys, partBytes: PART_BYTES, tries: 3 })
  const { readersConform } = useStoragePeer({
    start: async () => (server = await startS3()),
    stop: () => server.stop(),
    storages: () => [s3Storage(options())],
    environment: () => ({ AWS_ENDPOINT_URL_S3: server.endpoint, AWS_ACCESS_KEY_ID: s3Keys.accessKeyId, AWS_SECRET_ACCESS_KEY: s3Keys.secretAccessKey }),
  })

  let folders = 0
  describePeer('beside pyarrow', 'pyarrow', () => {
    const schema = { id: field.int64(), name: field.utf8() }
    const data = Array.from({ length: 1000 }, (_, id) => ({ id: BigInt(id), name: `row ${id}` }))

    test('each reads what the other wrote', async () => {
      await run(pipe(fromRows(schema, data), writeParquet('s3://bucket/pyarrow/ours +%20.parquet')))
      const script = `
import sys, pyarrow.fs, pyarrow.parquet
endpoint, key, secret = sys.argv[1:]
s3 = pyarrow.fs.S3FileSystem(access_key=key, secret_key=secret, endpoint_override=endpoint, scheme='http', region='us-east-1', allow_delayed_open=True)
table = pyarrow.parquet.read_table('bucket/pyarrow/ours +%20.parquet', filesystem=s3)
pyarrow.parquet.write_table(table, 'bucket/pyarrow/theirs +%20.parquet', filesystem=s3)
print(table.num_rows, sum(table['id'].to_pylist()), table['name'][999].as_py())
`
      const told = await runPython(script, { args: [server.endpoint.slice('http://'.length), s3Keys.accessKeyId, s3Keys.secretAccessKey] })
      expect(told.trim()).toBe('1000 499500 row 999')
      const read: unknown[] = []
      for await (const batch of readParquet('s3://bucket/pyarrow/theirs*.parquet', { schema })) for (let row = 0; row < batch.numRows; row++) read.push(batch.row(row))
      expect(read).toEqual(data)
    })
  })

  test('a SavedModel is exported to it, replaced, and loaded from it', async () => {
    const url = 's3://bucket/models/small/1'
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3], name: 'out', kernelInitializer: 'ones' })] })
    await run(exportSavedModel(model, url))
    await expect(run(exportSavedModel(model, url))).rejects.toMatchObject({ _tag: 'AlreadyExists' })
    await run(exportSavedModel(model, url, { ifExists: 'replace' }))
    const predictor = await run(loadSavedModel(url))
    try {
      const outputs = await run(predictor.predict({ [Object.keys(predictor.signatures['serving_default']!.inputs)[0]!]: [[1, 2, 3]] }))
      expect(Object.values(outputs).map(({ values }) => [...(values as Iterable<number>)])).toEqual([[6, 6]])
    } finally {
      predictor.dispose()
    }
  })

  readersConform({
    scheme: 's3', cuts: 12, silence: () => server.silence(),
    put: async (name, bytes) => {
      await writeBytes(`s3://bucket/reading/${name}`, bytes)
      return `s3://bucket/reading/${name}`
    },
  })

  const newFolder = async (): Promise<string> => `s3://bucket/folder-${++folders}`
  storageConformance({ name: 'S3', folder: newFolder })
  foldersConform('S3', newFolder)
  writersConformAt({ scheme: 's3', folder: newFolder, partBytes: PART_BYTES, unfinished: (folder) => s3Uploads(server, folder.slice('s3://bucket/'.length)), options })
  prunesPartitions(async (days, filesADay, text) => {
    for (let day = 0; day < days; day++) {
      const folder = join(server.folder, 'bucket', 'many', `day=${new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10)}`)
      mkdirSync(folder, { recursive: true })
      for (let file = 0; file < filesADay; file++) writeFileSync(join(folder, `part-0000${file}.csv`), text)
    }
    return 's3://bucket/many'
  }, countRequests)
})
