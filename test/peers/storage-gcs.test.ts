import { field, fromRows, gcsStorage, pipe, registerStorage, run } from '@millrace/core'
import { writeParquet } from '@millrace/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { storageConformance } from '../conformance/storage.js'
import { describePeer, runPython } from '../support/peer.js'
import { describeObjectServer, startGcs, type ObjectServer } from '../support/object-servers.js'

describeObjectServer('Google Cloud Storage', 'gcs', () => {
  let server: ObjectServer
  let undo: () => void
  beforeAll(async () => {
    server = await startGcs()
    undo = registerStorage(gcsStorage({ endpoint: server.endpoint, credentials: 'anonymous', partBytes: 1 << 20, tries: 3 }))
  })
  afterAll(async () => {
    undo()
    await server.stop()
  })

  let folders = 0
  describePeer('beside pyarrow', 'pyarrow', () => {
    test('pyarrow reads what we wrote', async () => {
      const schema = { id: field.int64() }
      await run(pipe(fromRows(schema, Array.from({ length: 1000 }, (_, id) => ({ id: BigInt(id) }))), writeParquet('gs://bucket/pyarrow/ours.parquet')))
      const script = `
import sys, pyarrow.fs, pyarrow.parquet
gcs = pyarrow.fs.GcsFileSystem(anonymous=True, endpoint_override=sys.argv[1], scheme='http')
table = pyarrow.parquet.read_table('bucket/pyarrow/ours.parquet', filesystem=gcs)
print(table.num_rows, sum(table['id'].to_pylist()))
`
      expect((await runPython(script, { args: [server.endpoint.slice('http://'.length)] })).trim()).toBe('1000 499500')
    })
  })

  storageConformance({ scheme: 'gs', name: 'Google Cloud Storage', folder: async () => `gs://bucket/folder-${++folders}` })
})
