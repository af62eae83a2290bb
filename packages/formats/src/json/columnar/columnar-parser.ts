import type { ResolvedJsonOptions } from '../json-options.js'
import type { JsonParser } from '../json-parser.js'
import { referenceParser } from '../reference-parser.js'
import { jsonKind } from './json-kinds.js'
import { JsonKernel } from './json-kernel.js'
import { KernelRows } from './kernel-rows.js'
import { KernelText } from './kernel-text.js'
import { keyTree } from './key-table.js'

/** Bytes to columns in WebAssembly, with stream-json for what is out of the ordinary. For schemas that it takes, where the kernel runs. */
export const columnarParser = (options: ResolvedJsonOptions): JsonParser => ({
  open: (start, line, handler, needs) => {
    const { schema, columns, validateAll } = needs
    const names = Object.keys(schema).filter((name) => validateAll || columns === undefined || columns.includes(name))
    const kinds = names.map((name) => jsonKind(schema[name]!)!)
    const kernel = new JsonKernel(keyTree(names.map((name) => options.paths[name]!))!, names.length, options)
    if (!kernel.begin(names.map((name, at) => ({ field: schema[name]!, kind: kinds[at]!, at })), names.length)) {
      kernel.release()
      return referenceParser(options).open(start, line, handler, needs)
    }
    const text = new KernelText(kernel, options, start, line, handler)
    const rows = new KernelRows(kernel, kinds, needs, names, options)
    text.rows = rows
    return { text, rows }
  },
})
