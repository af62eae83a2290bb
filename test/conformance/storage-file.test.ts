import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { foldersConform } from './folders.js'
import { storageConformance } from './storage.js'

const folders: string[] = []
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-files-'))
  folders.push(folder)
  return folder
}

storageConformance({ name: 'files of this machine', scheme: 'file', folder: newFolder })
foldersConform('files of this machine', newFolder)
