import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fromRoot, root } from './console.mjs'

/** What the scripts remember between runs; deleting it only costs time. */
const folder = join(root, '.bootstrap')

const stampFile = (name) => join(folder, name)

/** True when the step `name` ended well with this digest. */
export const isStamped = (name, digest) => existsSync(stampFile(name)) && readFileSync(stampFile(name), 'utf8').trim() === digest

/** Forgets a step, before it starts: an interrupted one then leaves no stamp. */
export const unstamp = (name) => rmSync(stampFile(name), { force: true })

/** Remembers that a step ended well. */
export const stampDone = (name, digest) => {
  mkdirSync(dirname(stampFile(name)), { recursive: true })
  writeFileSync(stampFile(name), `${digest}\n`)
}

/** All files under `path` (or `path` itself) that `keep` accepts, in a stable order; nothing when it is not there. */
export const filesUnder = (path, keep = () => true) => {
  if (!existsSync(path)) return []
  if (!statSync(path).isDirectory()) return keep(path) ? [path] : []
  return readdirSync(path, { withFileTypes: true })
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name)
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(child, keep)
      return entry.isFile() && keep(child) ? [child] : []
    })
}

/** One digest of the names and the contents of files, and of further strings. */
export const digestOf = (files, ...more) => {
  const hash = createHash('sha256')
  for (const text of more) hash.update(`${text}\0`)
  for (const file of files) hash.update(`${fromRoot(file)}\0`).update(createHash('sha256').update(readFileSync(file)).digest())
  return hash.digest('hex')
}
