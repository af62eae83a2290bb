// Compiles packages/export/src/proto/*.proto to a static protobufjs module (generated/tensorflow.js and .d.ts).
// Skips the work when nothing it depends on has changed. Bootstrap and build call it: node scripts/build-protos.mjs
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'packages/export/src/proto')
const generated = join(source, 'generated')
const stampFile = join(generated, 'stamp')
const cli = dirname(createRequire(import.meta.url).resolve('protobufjs-cli/package.json'))

const protos = readdirSync(source).filter((name) => name.endsWith('.proto')).sort()

const hash = createHash('sha256')
hash.update(readFileSync(fileURLToPath(import.meta.url)))
hash.update(readFileSync(join(cli, 'package.json')))
for (const name of protos) hash.update(name).update(readFileSync(join(source, name)))
const stamp = hash.digest('hex')

const upToDate =
  existsSync(join(generated, 'tensorflow.js')) &&
  existsSync(join(generated, 'tensorflow.d.ts')) &&
  existsSync(stampFile) &&
  readFileSync(stampFile, 'utf8') === stamp

if (!upToDate) {
  mkdirSync(generated, { recursive: true })
  const temporary = join(generated, `tensorflow.${process.pid}`)
  const unused = ['--no-verify', '--no-convert', '--no-delimited', '--no-typeurl', '--no-service']
  execFileSync(
    process.execPath,
    [join(cli, 'bin/pbjs'), '--target', 'static-module', '--wrap', 'esm', '--root', 'millrace', '--force-long', ...unused,
      '--out', `${temporary}.js`, '--dts', ...protos],
    { cwd: source, stdio: ['ignore', 'inherit', 'inherit'] },
  )
  // 64-bit integers are our own structural type, so that the package needs no `long` and no `import … = require`.
  const declarations = readFileSync(`${temporary}.d.ts`, 'utf8')
  const mended = declarations
    .replace('import Long = require("long");', "import type { Int64Bits as Long } from '../int64.js'")
  if (mended === declarations) throw new Error('pbjs no longer imports Long as build-protos.mjs expects')
  writeFileSync(`${temporary}.d.ts`, mended)
  for (const ending of ['.js', '.d.ts']) renameSync(`${temporary}${ending}`, join(generated, `tensorflow${ending}`))
  writeFileSync(stampFile, stamp)
}
