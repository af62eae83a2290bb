/**
 * node scripts/sql-servers-setup.mjs: the programs of PostgreSQL and MariaDB, for test/peers/sql*.test.ts.
 *
 * Where both are installed there is nothing to do. Elsewhere, on Debian and Ubuntu, their packages are downloaded and unpacked into
 * .peers/sql, which needs no root and starts nothing. `npm run peers:setup` runs this.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'
import { findSqlPrograms } from './support/sql-programs.mjs'

const folder = join(root, '.peers', 'sql')
const packages = { postgres: 'postgresql', mariadb: 'mariadb-server' }

/** Best effort: the tests say what they lack. */
const giveUp = (reason, details = '') => {
  console.log(`peers: not every database server is there, so that some tests in test/peers/sql*.test.ts cannot run: ${reason}`)
  if (details !== '') console.log(details.trim().split('\n').slice(-6).join('\n'))
  process.exit(1)
}

const quiet = (what, command, args, cwd) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 64 << 20 })
  if (status !== 0) giveUp(`${what} failed (${error?.message ?? `status ${status}`})`, stderr || stdout || '')
  return stdout
}

const lacking = Object.keys(packages).filter((name) => findSqlPrograms()[name] === undefined)
if (lacking.length === 0) {
  console.log('peers: PostgreSQL and MariaDB are there')
  process.exit(0)
}
if (process.platform !== 'linux' || spawnSync('apt-get', ['--version']).status !== 0) giveUp('their set-up is written for Debian and Ubuntu; elsewhere, install both')

const debs = join(folder, 'debs')
rmSync(debs, { recursive: true, force: true })
mkdirSync(debs, { recursive: true })
const simulated = ['--simulate', '--no-install-recommends', 'install', ...lacking.map((name) => packages[name])]
// A fresh machine has no lists of packages yet, and only root may fetch them.
if (process.getuid?.() === 0 && spawnSync('apt-get', simulated).status !== 0) quiet('fetching the lists of packages', 'apt-get', ['update', '--quiet'], debs)
const plan = quiet('asking apt what the servers need', 'apt-get', simulated, debs)
const names = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name)
quiet('downloading the packages', 'apt-get', ['download', ...names], debs)
for (const deb of readdirSync(debs)) quiet(`unpacking ${deb}`, 'dpkg-deb', ['--extract', deb, join(folder, 'root')], debs)
rmSync(debs, { recursive: true, force: true })
const still = Object.keys(packages).filter((name) => findSqlPrograms()[name] === undefined)
if (still.length > 0 || !existsSync(join(folder, 'root'))) giveUp(`the packages hold no ${still.join(' and ')}`)
console.log(`peers: ${lacking.join(' and ')} in ${fromRoot(folder)}`)
