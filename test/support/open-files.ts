import { readdirSync, readlinkSync } from 'node:fs'

/** How many files of a folder this process, all its threads, has open. Linux tells. */
export const openFilesIn = (folder: string): number =>
  readdirSync('/proc/self/fd').filter((handle) => {
    try {
      return readlinkSync(`/proc/self/fd/${handle}`).startsWith(`${folder}/`)
    } catch {
      // Closed in between.
      return false
    }
  }).length
