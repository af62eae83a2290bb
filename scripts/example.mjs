/**
 * npm run quickstart [-- --full], npm run example:NAME: runs examples/NAME/NAME.ts as a user's program would run, on the built
 * packages. Examples are TypeScript: each file is transpiled on its own, and its imports are left for Node to resolve. The cluster's
 * servers need libtensorflow: where LIBTENSORFLOW names none, that of `npm run peers:setup` is taken, if it is there.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { root, stop } from './support/console.mjs'
import { packages } from './support/packages.mjs'
import { filesUnder } from './support/stamps.mjs'

const [name = 'quickstart', ...options] = process.argv.slice(2)
const source = join(root, 'examples')
// Inside the repository, so that the packages resolve as they do for the example itself.
const folder = join(root, '.bootstrap', 'examples', String(process.pid))

const transpile = () => {
  for (const file of filesUnder(source, (path) => path.endsWith('.ts'))) {
    const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
      fileName: file,
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, inlineSourceMap: true, verbatimModuleSyntax: true },
    })
    const target = join(folder, relative(source, file).replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, outputText)
  }
}

const missing = packages.filter((one) => filesUnder(join(root, 'packages', one, 'dist', 'index.js')).length === 0)
if (missing.length > 0) stop(`Not built yet: ${missing.join(', ')}.`, 'npm run bootstrap')

const ofPeers = join(root, '.peers', 'venv')
const environment = name === 'cluster' && !process.env.LIBTENSORFLOW && existsSync(ofPeers) ? { LIBTENSORFLOW: ofPeers } : {}

transpile()
const program = join(folder, name, `${name}.js`)
const child = spawn(process.execPath, ['--enable-source-maps', program, ...options], { stdio: 'inherit', env: { ...process.env, ...environment } })
// Ctrl-C reaches the child by itself: it ends its work, and this process waits for it.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('exit', (code, signal) => {
  rmSync(folder, { recursive: true, force: true })
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143)
})
