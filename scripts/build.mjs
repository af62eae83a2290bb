/** npm run build [-- PACKAGE…]: builds the packages, all or the named ones, in the order in which they need each other. */
import { stop } from './support/console.mjs'
import { lockRepository } from './support/lock.mjs'
import { buildPackage, packages } from './support/packages.mjs'

const named = process.argv.slice(2)
const unknown = named.filter((name) => !packages.includes(name))
if (unknown.length > 0) stop(`There is no package ${unknown.join(', ')}.`, `The packages: ${packages.join(', ')}.`)

lockRepository()
for (const name of packages) {
  if ((named.length === 0 || named.includes(name)) && !buildPackage(name, { force: true })) process.exit(1)
}
