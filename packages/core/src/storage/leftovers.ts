import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'

const markOf = (): string => {
  try {
    const parts = [hostname(), readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'), readlinkSync('/proc/self/ns/pid')]
    return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 8)
  } catch {
    return ''
  }
}

let ownMark: string | undefined

/**
 * Where the numbers of processes mean what they mean here: this machine, since it was started, and this container. Folders are shared by
 * machines, and a process that is gone here may live there. Empty where that cannot be told (other systems than Linux).
 */
const mark = (): string => (ownMark ??= markOf())

const nameBeside = (path: string, ending: string): string =>
  join(dirname(path), `.${basename(path)}.${mark() === '' ? '' : `${mark()}-`}${process.pid}-${randomBytes(4).toString('hex')}.${ending}`)

/** A name beside `path` for what is to be there, that no other writer uses: hidden, so that globs over the folder do not see it. */
export const temporaryName = (path: string): string => nameBeside(path, 'tmp')

/** A name beside `path` for what was there, until something else is. Nobody removes such a file but who gave it its name. */
export const asideName = (path: string): string => nameBeside(path, 'old')

const temporary = /^\..*\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp$/s

const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/** In a folder that many write to (`/tmp`) others could have given the name to something of theirs, or made it lead elsewhere. */
const isOwn = async (path: string): Promise<boolean> => {
  const found = await lstat(path).catch(() => undefined)
  return found !== undefined && !found.isSymbolicLink() && found.uid === process.getuid?.()
}

/**
 * Removes what writers that were killed have left in a folder: half files and folders under temporary names whose process was one of this
 * machine, and is no more, and which are this user's. Failing is no harm.
 */
export const removeLeftovers = async (folder: string): Promise<void> => {
  if (mark() === '') return
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    const [, where, pid] = temporary.exec(name) ?? []
    const path = join(folder, name)
    if (where === mark() && isGone(Number(pid)) && (await isOwn(path))) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}
