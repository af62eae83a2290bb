import { registerStorage, s3Storage } from '@millrace/core'
import { afterAll, beforeAll } from 'vitest'
import { storageConformance } from '../conformance/storage.js'
import { describeObjectServer, s3Keys, startS3, type ObjectServer } from '../support/object-servers.js'

describeObjectServer('S3', 's3', () => {
  let server: ObjectServer
  let undo: () => void
  beforeAll(async () => {
    server = await startS3()
    undo = registerStorage(s3Storage({ endpoint: server.endpoint, credentials: s3Keys, partBytes: 5 << 20, tries: 3 }))
  })
  afterAll(async () => {
    undo()
    await server.stop()
  })

  let folders = 0
  storageConformance({ name: 'S3', folder: async () => `s3://bucket/folder-${++folders}` })
})
