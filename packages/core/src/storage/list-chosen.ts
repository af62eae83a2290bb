import { inTurn } from './in-turn.js'
import { isAside } from './input-folder.js'
import { listFolder } from './list-folder.js'
import { parsePartition, type PartitionValues } from './partition-path.js'
import { storageFor } from './registry.js'
import type { FileInfo } from './storage.js'

/**
 * Whether the files of a partition are wanted: all (`true`), none (`false`), or, of one whose folders have told only some of its values,
 * not yet known (`undefined`).
 */
export type ChoosePartition = (partition: PartitionValues) => boolean | undefined

interface Folder {
  readonly url: string
  /** Names of folders below the one that was asked for. */
  readonly path: readonly string[]
}

/** What is known of a folder when it was looked into. */
interface Look {
  readonly files: readonly FileInfo[]
  /** Folders to look into. */
  readonly open: readonly Folder[]
  /** Folders of which all is wanted. */
  readonly whole: readonly string[]
  readonly leavesOut: boolean
}

const look = async ({ url, path }: Folder, choose: ChoosePartition, signal: AbortSignal | undefined): Promise<Look> => {
  const { files, folders, requests = Infinity } = await storageFor(url).browse!(url, signal)
  const open: Folder[] = []
  const whole: string[] = []
  let leavesOut = false
  for (const name of folders) {
    if (isAside(name)) continue
    const below = [...path, name]
    const partition = parsePartition(below)
    const wanted = partition === undefined ? undefined : choose(partition)
    const folder = `${url}/${name}`
    if (wanted === true) whole.push(folder)
    else if (wanted === undefined) open.push({ url: folder, path: below })
    else leavesOut = true
  }
  // So many are wanted that all together are had for less.
  if (open.length + whole.length > requests) return { files: [], open: [], whole: [url], leavesOut: false }
  return { files, open, whole, leavesOut }
}

/**
 * The files below a folder, without those of partitions that are not wanted as far as that spares requests: the others are listed
 * folder by folder. Sorted by URL.
 */
export const listChosen = async (root: string, choose: ChoosePartition | undefined, signal: AbortSignal | undefined): Promise<{ readonly files: readonly FileInfo[]; readonly leavesOut: boolean }> => {
  if (choose === undefined || storageFor(root).browse === undefined) return { files: await listFolder(root, signal), leavesOut: false }
  const found: FileInfo[] = []
  const whole: string[] = []
  let leavesOut = false
  for (let level: readonly Folder[] = [{ url: root, path: [] }]; level.length > 0; ) {
    const looks = await inTurn(level, (folder) => look(folder, choose, signal))
    found.push(...looks.flatMap(({ files }) => files))
    whole.push(...looks.flatMap((one) => one.whole))
    leavesOut ||= looks.some((one) => one.leavesOut)
    level = looks.flatMap(({ open }) => open)
  }
  for (const files of await inTurn(whole, (folder) => listFolder(folder, signal))) found.push(...files)
  return { files: found.sort((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0)), leavesOut }
}
