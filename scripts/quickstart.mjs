/**
 * npm run quickstart [-- --full]: runs examples/quickstart as a user's program would run, on the built packages. The example is
 * TypeScript: each file is transpiled on its own, and its imports are left for Node to resolve.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import ts from 'typescript'
import { root, stop } from './support/console.mjs'
import { packages } from './support/packages.mjs'
import { filesUnder } from './support/stamps.mjs'

const source = join(root, 'examples', 'quickstart')
// Inside the repository, so that the packages resolve as they do for the example itself.
const folder = join(root, '.bootstrap', 'quickstart', String(process.pid))

const transpile = () => {
  mkdirSync(folder, { recursive: true })
  for (const file of filesUnder(source, (name) => name.endsWith('.ts'))) {
    const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
      fileName: file,
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, inlineSourceMap: true, verbatimModuleSyntax: true },
    })
    writeFileSync(join(folder, basename(file).replace(/\.ts$/, '.js')), outputText)
  }
}

const missing = packages.filter((name) => filesUnder(join(root, 'packages', name, 'dist', 'index.js')).length === 0)
if (missing.length > 0) stop(`Not built yet: ${missing.join(', ')}.`, 'npm run bootstrap')

transpile()
const program = join(folder, 'quickstart.js')
const child = spawn(process.execPath, ['--enable-source-maps', program, ...process.argv.slice(2)], { stdio: 'inherit' })
// Ctrl-C reaches the child by itself: it ends its work, and this process waits for it.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('exit', (code, signal) => {
  rmSync(folder, { recursive: true, force: true })
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143)
})
