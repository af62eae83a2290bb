/**
 * node scripts/object-servers-setup.mjs: an S3 server that verifies signatures (Versity S3 Gateway) and an emulator of Google Cloud
 * Storage (fake-gcs-server), for test/peers/storage*.test.ts, built by `go install` into .peers/object-servers. `npm run peers:setup`
 * runs this; it takes about two minutes once.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { fromRoot } from './support/console.mjs'
import { objectServers } from './support/object-programs.mjs'

/** Best effort: the tests say what they lack. */
const giveUp = (reason, details = '') => {
  console.log(`peers: not every object store is there, so that some tests in test/peers/storage*.test.ts cannot run: ${reason}`)
  if (details !== '') console.log(details.trim().split('\n').slice(-6).join('\n'))
  process.exit(1)
}

const lacking = Object.values(objectServers).filter(({ program }) => !existsSync(program))
if (lacking.length === 0) {
  console.log('peers: the object stores are there')
  process.exit(0)
}
if (spawnSync('go', ['version']).status !== 0) giveUp('there is no Go (https://go.dev), with which they are built')

for (const { module, folder, program } of lacking) {
  console.log(`peers: building ${module} in ${fromRoot(folder)}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const { status, stderr, error } = spawnSync('go', ['install', '-trimpath', '-ldflags=-s -w', module], { encoding: 'utf8', maxBuffer: 64 << 20, env: { ...process.env, GOBIN: folder } })
  if (status !== 0 || !existsSync(program)) giveUp(`go install ${module} failed (${error?.message ?? `status ${status}`})`, stderr)
}
console.log('peers: the object stores are ready')
