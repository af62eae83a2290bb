import type { ResolvedCsvOptions } from '../csv-options.js'
import type { CsvParser } from '../csv-parser.js'
import { AssembledRows } from '../reference-parser.js'
import { CsvKernel } from './csv-kernel.js'
import { KernelRows } from './kernel-rows.js'
import { KernelText } from './kernel-text.js'

/** Bytes to columns in WebAssembly, with csv-parse for what is out of the ordinary. For dialects that it takes, where the kernel runs. */
export const columnarParser = (options: ResolvedCsvOptions, source: string): CsvParser => {
  const kernel = new CsvKernel(options)
  let text: KernelText | undefined
  return {
    copies: true,
    text: (start, line, handler) => (text = new KernelText(kernel, options, source, start, line, handler)),
    rows: (schema, layout, columns, validateAll) => {
      const rows = KernelRows.of(kernel, schema, layout, columns, validateAll, options)
      text!.begin(rows)
      return rows ?? new AssembledRows(schema, layout, columns, validateAll, options)
    },
  }
}
