import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript-5.0'
import { fromRoot, root } from '../support/console.mjs'
import { packages } from '../support/packages.mjs'
import { filesUnder } from '../support/stamps.mjs'
import { writeSnippets } from './types.mjs'

/** As tslab and other embedded compilers see us: TypeScript 5.0, Node10 resolution, declarations checked. */
const options = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Node10 ?? ts.ModuleResolutionKind.NodeJs,
  strict: true,
  skipLibCheck: false,
  noEmit: true,
  esModuleInterop: true,
  types: ['node'],
  typeRoots: [join(root, 'node_modules', '@types')],
}

const place = (file, position) => {
  const { line, character } = file.getLineAndCharacterOfPosition(position)
  return `${fromRoot(file.fileName)}:${line + 1}:${character + 1}`
}

const describe = ({ file, start, messageText }) =>
  `${file === undefined ? '' : `${place(file, start ?? 0)} `}${ts.flattenDiagnosticMessageText(messageText, '\n')}`

/** Type nodes that are `any`: written so, or because what they refer to was not found, which a declaration hides elsewhere. */
const findAny = (program, file) => {
  const checker = program.getTypeChecker()
  const found = []
  const visit = (node) => {
    // The spans of a template literal type count as type nodes, and have no type of their own.
    if (ts.isTypeNode(node) && !ts.isTemplateLiteralTypeSpan(node) && checker.getTypeFromTypeNode(node).flags & ts.TypeFlags.Any) {
      found.push(`${place(file, node.getStart(file))} \`${node.getText(file)}\` is any`)
      return
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/**
 * Reads the built declarations of all packages, and the examples and the documents' programs against them, with TypeScript 5.0,
 * and reports errors in them and every `any`. Errors in the declarations of others are theirs.
 */
export const checkDeclarations = (folder) => {
  const declarations = packages.flatMap((name) => ['index.d.ts', 'index.d.cts'].map((file) => join(root, 'packages', name, 'dist', file)))
  const missing = declarations.filter((file) => !existsSync(file))
  if (missing.length > 0) return `Not built: ${missing.map(fromRoot).join(', ')}`
  const programs = [...filesUnder(join(root, 'examples'), (file) => file.endsWith('.ts')), ...writeSnippets(folder)]
  const program = ts.createProgram([...declarations, ...programs], options)
  const ours = program.getSourceFiles().filter(({ fileName }) => [...declarations, ...programs].some((file) => fromRoot(file) === fromRoot(fileName)))
  const found = ours.flatMap((file) => [
    ...[...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(describe),
    ...(file.isDeclarationFile ? findAny(program, file) : []),
  ])
  const leaks = declarations.filter((file) => readFileSync(file, 'utf8').includes('protobufjs'))
  found.push(...leaks.map((file) => `${fromRoot(file)} brings in the types of generated messages, five times its size: keep tensorflow.* out of what is exported`))
  return found.length === 0 ? undefined : found.join('\n')
}
