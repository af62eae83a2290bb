import { mkdtempSync, realpathSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openFilesIn } from '../support/open-files.js'
import { foldersConform } from './folders.js'
import { readersConformAt } from './reading.js'
import { storageConformance } from './storage.js'
import { temporaryNames, writersConformAt } from './writing.js'

const folders: string[] = []
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-files-'))
  folders.push(folder)
  return folder
}

storageConformance({ name: 'files of this machine', folder: newFolder })
foldersConform('files of this machine', newFolder)
writersConformAt({ scheme: 'file', folder: newFolder, partBytes: 1 << 20, unfinished: temporaryNames })

const place = mkdtempSync(join(realpathSync(tmpdir()), 'millrace-files-'))
folders.push(place)
readersConformAt({
  scheme: 'file', held: () => openFilesIn(place), knows: 'at once', cuts: 100,
  put: async (name, bytes) => {
    writeFileSync(join(place, name), bytes)
    return join(place, name)
  },
})
