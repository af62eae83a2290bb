import { gcsStorage, registerStorage } from '@millrace/core'
import { afterAll, beforeAll } from 'vitest'
import { storageConformance } from '../conformance/storage.js'
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
  storageConformance({ name: 'Google Cloud Storage', folder: async () => `gs://bucket/folder-${++folders}` })
})
