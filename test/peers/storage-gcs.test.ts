import { field, fromRows, gcsStorage, pipe, run } from '@millrace/core'
import { writeParquet } from '@millrace/formats'
import { expect, test } from 'vitest'
import { foldersConform, prunesPartitions } from '../conformance/folders.js'
import { storageConformance } from '../conformance/storage.js'
import { writersConformAt } from '../conformance/writing.js'
import { countRequests } from '../support/count-requests.js'
import { describePeer, runPython } from '../support/peer.js'
import { describeObjectServer, startGcs, type ObjectServer } from '../support/object-servers.js'
import { useStoragePeer } from '../support/storage-peer.js'

const PART_BYTES = 1 << 20

describeObjectServer('Google Cloud Storage', 'gcs', () => {
  let server: ObjectServer
  const options = () => ({ endpoint: server.endpoint, credentials: 'anonymous', partBytes: PART_BYTES, tries: 3 }) as const
  const { readersConform } = useStoragePeer({
    start: async () => (server = await startGcs()),
    stop: () => server.stop(),
    storages: () => [gcsStorage(options())],
    environment: () => ({ STORAGE_EMULATOR_HOST: server.endpoint }),
  })
  /** Puts an object without us. */
  const put = async (key: string, body: Uint8Array<ArrayBuffer> | string): Promise<void> => {
    const answer = await fetch(`${server.endpoint}/upload/storage/v1/b/bucket/o?uploadType=media&name=${encodeURIComponent(key)}`, { method: 'POST', body })
    expect(answer.ok).toBe(true)
    await answer.text()
  }
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

  readersConform({
    scheme: 'gs', cuts: 12, silence: () => server.silence(),
    put: async (name, bytes) => {
      await put(`reading/${name}`, new Uint8Array(bytes))
      return `gs://bucket/reading/${name}`
    },
  })

  const newFolder = async (): Promise<string> => `gs://bucket/folder-${++folders}`
  storageConformance({ name: 'Google Cloud Storage', folder: newFolder })
  foldersConform('Google Cloud Storage', newFolder)
  // The emulator does not tell of uploads under way: test/faults/storage-gcs.test.ts looks at them.
  writersConformAt({ scheme: 'gs', folder: newFolder, partBytes: PART_BYTES, options })
  prunesPartitions(async (days, filesADay, text) => {
    for (let day = 0; day < days; day++) {
      const folder = `many/day=${new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10)}`
      await Promise.all(Array.from({ length: filesADay }, (_, file) => put(`${folder}/part-0000${file}.csv`, text)))
    }
    return 'gs://bucket/many'
  }, countRequests)
})
