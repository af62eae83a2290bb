import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { root } from '../support/console.mjs'
import { packages } from '../support/packages.mjs'

/** Ceilings in kB of gzip, moved only by the commit that causes the growth. */
const ceilings = JSON.parse(readFileSync(new URL('sizes.json', import.meta.url), 'utf8'))

/** Compares the size of each package's code, without what it depends on, with its ceiling. */
export const checkSizes = () => {
  const found = packages.flatMap((name) => {
    const kilobytes = gzipSync(readFileSync(join(root, 'packages', name, 'dist', 'index.js'))).length / 1000
    return kilobytes <= ceilings[name]
      ? []
      : [`@millrace/${name}: ${kilobytes.toFixed(1)} kB of gzip, over its ceiling of ${ceilings[name]} kB (scripts/checks/sizes.json)`]
  })
  return found.length === 0 ? undefined : found.join('\n')
}
