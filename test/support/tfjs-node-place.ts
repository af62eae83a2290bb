import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The folder whose node_modules has `@tensorflow/tfjs-node`: `MILLRACE_TFJS_NODE`, else the one that `npm run peers:setup` makes. */
const tfjsNodeFolder = (): string => process.env['MILLRACE_TFJS_NODE'] || join(root, '.peers', 'tfjs-node')

/** Says what is missing, or undefined. */
export const tfjsNodeLacks = (): string | undefined => {
  const addon = join(tfjsNodeFolder(), 'node_modules', '@tensorflow', 'tfjs-node', 'lib')
  return existsSync(addon) ? undefined : 'no @tensorflow/tfjs-node with its addon: npm run peers:setup, which says why it could not build it'
}

/** Resolves the packages of TensorFlow.js as a program in the folder would, and all else as usual. */
const hooks = (folder: string): string => {
  const parentURL = JSON.stringify(pathToFileURL(join(folder, 'program.mjs')).href)
  const resolve = `export const resolve = (name, context, next) => next(name, name.startsWith('@tensorflow/') ? { ...context, parentURL: ${parentURL} } : context)`
  return `data:text/javascript,${encodeURIComponent(`import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(resolve)}`)})`)}`
}

/** Flags of Node with which a program finds `@tensorflow/tfjs-node`. */
export const tfjsNodeFlags = (): readonly string[] => ['--import', hooks(tfjsNodeFolder())]
