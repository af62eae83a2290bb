import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root } from '../support/console.mjs'
import { snippets } from '../support/markdown.mjs'
import { capture, tool } from './capture.mjs'

/** Writes the programs in the documents to `folder`; each keeps its line numbers, so that an error names the line of the document. */
export const writeSnippets = (folder) => {
  mkdirSync(folder, { recursive: true })
  return [...snippets(), ...snippets({ tensorflow: true })].map(({ document, line, code }) => {
    const file = join(folder, `${document.replace(/[^\w-]+/g, '-')}-line-${line}.ts`)
    writeFileSync(file, `${'\n'.repeat(line - 1)}${code}\nexport {}\n`)
    return file
  })
}

/** Type-checks the whole repository, and with it the programs in the documents. */
export const checkTypes = (folder) => {
  writeSnippets(folder)
  const fromFolder = (path) => relative(folder, join(root, path)).replaceAll('\\', '/')
  const project = join(folder, 'tsconfig.json')
  writeFileSync(
    project,
    JSON.stringify({
      extends: fromFolder('tsconfig.base.json'),
      compilerOptions: { typeRoots: [fromFolder('node_modules/@types')] },
      include: ['*.ts', ...['packages/*/src', 'test', 'bench', 'examples', 'scripts/**/*.ts', '*.ts'].map(fromFolder)],
    }),
  )
  return capture(process.execPath, [tool('typescript', 'bin/tsc'), '-p', project, '--noEmit'])
}
