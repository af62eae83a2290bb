import { field, fromRows, gcsStorage, pipe, registerStorage, run } from '@millrace/core'
import { writeParquet } from '@millrace/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { foldersConform, prunesPartitions } from '../conformance/folders.js'
import { storageConformance } from '../conformance/storage.js'
import { countRequests } from '../support/count-requests.js'
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

  const newFolder = async (): Promise<string> => `gs://bucket/folder-${++folders}`
  storageConformance({ scheme: 'gs', name: 'Google Cloud Storage', folder: newFolder })
  foldersConform('Google Cloud Storage', newFolder)
  prunesPartitions(async (days, filesADay, text) => {
    for (let day = 0; day < days; day++) {
      const folder = `many/day=${new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10)}`
      const put = (file: number): Promise<Response> => fetch(`${server.endpoint}/upload/storage/v1/b/bucket/o?uploadType=media&name=${encodeURIComponent(`${folder}/part-0000${file}.csv`)}`, { method: 'POST', body: text })
      await Promise.all(Array.from({ length: filesADay }, async (_, file) => expect((await put(file)).ok).toBe(true)))
    }
    return 'gs://bucket/many'
  }, countRequests)
})
