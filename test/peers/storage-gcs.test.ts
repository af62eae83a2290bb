import { field, fromRows, gcsStorage, pipe, registerStorage, run } from '@millrace/core'
import { writeParquet } from '@millrace/formats'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { foldersConform, prunesPartitions } from '../conformance/folders.js'
import { readersConformAt } from '../conformance/reading.js'
import { storageConformance } from '../conformance/storage.js'
import { writersConformAt } from '../conformance/writing.js'
import { countRequests } from '../support/count-requests.js'
import { describePeer, runPython } from '../support/peer.js'
import { describeObjectServer, startGcs, type ObjectServer } from '../support/object-servers.js'
import { countOpenRequests, type OpenRequests } from '../support/open-requests.js'

const PART_BYTES = 1 << 20

describeObjectServer('Google Cloud Storage', 'gcs', () => {
  let server: ObjectServer
  let undo: () => void
  const options = () => ({ endpoint: server.endpoint, credentials: 'anonymous', partBytes: PART_BYTES, tries: 3 }) as const
  const register = (): void => {
    undo = registerStorage(gcsStorage(options()))
  }
  /** Puts an object without us. */
  const put = async (key: string, body: Uint8Array<ArrayBuffer> | string): Promise<void> => {
    const answer = await fetch(`${server.endpoint}/upload/storage/v1/b/bucket/o?uploadType=media&name=${encodeURIComponent(key)}`, { method: 'POST', body })
    expect(answer.ok).toBe(true)
    await answer.text()
  }
  beforeAll(async () => {
    server = await startGcs()
    register()
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

  // As users have it: worker threads find the server in the environment, and ask it by themselves.
  describe('as it is built in', () => {
    let requests: OpenRequests
    beforeAll(() => {
      undo()
      vi.stubEnv('STORAGE_EMULATOR_HOST', server.endpoint)
      requests = countOpenRequests()
    })
    afterAll(() => {
      requests.close()
      vi.unstubAllEnvs()
      register()
    })
    readersConformAt({
      scheme: 'gs', held: () => requests.count(), knows: 'later', cuts: 12, silence: () => server.silence(),
      put: async (name, bytes) => {
        await put(`reading/${name}`, new Uint8Array(bytes))
        return `gs://bucket/reading/${name}`
      },
    })
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
