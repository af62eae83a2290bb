import { columnarParser } from './columnar/columnar-parser.js'
import { hasKernel } from '../columnar/column-kernel.js'
import { code } from '../example/kernel/generated/csv-kernel.js'
import { whyReference } from './columnar/dialect.js'
import type { ResolvedCsvOptions } from './csv-options.js'
import type { CsvParser } from './csv-parser.js'
import { referenceParser } from './reference-parser.js'

/** Which parser reads a file, as its plan shows it. */
export interface ParserChoice {
  readonly parser: 'columnar' | 'csv-parse'
  /** Why it is not the columnar one. */
  readonly because?: string | undefined
}

/** The columnar parser where it knows the dialect. */
export const chooseParser = (options: ResolvedCsvOptions): ParserChoice => {
  if (options.parser === 'csv-parse') return { parser: 'csv-parse', because: 'asked for' }
  const because = whyReference(options) ?? (hasKernel(code) ? undefined : 'no WebAssembly with SIMD')
  return because === undefined ? { parser: 'columnar' } : { parser: 'csv-parse', because }
}

/** The parser of one file. */
export const parserOf = (options: ResolvedCsvOptions, source: string): CsvParser =>
  chooseParser(options).parser === 'columnar' ? columnarParser(options, source) : referenceParser(options, source)
