import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { storageConformance } from './storage.js'

const folders: string[] = []
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

storageConformance({
  name: 'files of this machine',
  scheme: 'file',
  folder: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-files-'))
    folders.push(folder)
    return folder
  },
})
