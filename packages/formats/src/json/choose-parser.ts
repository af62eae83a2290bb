import type { Schema } from '@millrace/core'
import { hasKernel } from '../columnar/column-kernel.js'
import { code } from '../example/kernel/generated/json-kernel.js'
import { jsonKind } from './columnar/json-kinds.js'
import { keyTree } from './columnar/key-table.js'
import type { ResolvedJsonOptions } from './json-options.js'

/** Longest record that the kernel's memory is meant for. */
const LONGEST_RECORD = 64 * 1024 * 1024
/** Keys in a path, which the kernel goes down by calling itself. */
const LONGEST_PATH = 32
/** Keys that stand in JSON as they are, and that have a form in UTF-8. */
const plainKey = /^[^"\\\p{Cc}\p{Surrogate}]*$/u

/** Which parser reads a file, as its plan shows it. */
export interface ParserChoice {
  readonly parser: 'columnar' | 'stream-json'
  /** Why it is not the columnar one. */
  readonly because?: string | undefined
}

/** Why a schema is left to stream-json; `undefined` when the columnar parser takes it. */
const whyReference = (schema: Schema, { paths, maxRecordBytes, scalarsAsText, valuesAsText, records }: ResolvedJsonOptions): string | undefined => {
  if (maxRecordBytes > LONGEST_RECORD) return 'maxRecordBytes beyond 64 MiB'
  if (records !== undefined) return 'records within an object'
  if (valuesAsText.length > 0) return 'values as text'
  if (scalarsAsText.length > 0) return 'numbers and booleans as text'
  for (const [name, field] of Object.entries(schema)) {
    if (jsonKind(field) === undefined) return `the kind of column ${JSON.stringify(name)}`
    const path = paths[name]!
    if (path.length > LONGEST_PATH || !path.every((key) => plainKey.test(key) && key.length < 65536)) return `the path of column ${JSON.stringify(name)}`
  }
  const columns = Object.keys(schema)
  if (columns.length > 65535) return 'more than 65,535 columns'
  return keyTree(columns.map((name) => paths[name]!)) === undefined ? 'paths that lead through or to the same place' : undefined
}

/** The columnar parser where it knows the schema. */
export const chooseParser = (schema: Schema, options: ResolvedJsonOptions): ParserChoice => {
  if (options.parser === 'stream-json') return { parser: 'stream-json', because: 'asked for' }
  const because = whyReference(schema, options) ?? (hasKernel(code) ? undefined : 'no WebAssembly with SIMD')
  return because === undefined ? { parser: 'columnar' } : { parser: 'stream-json', because }
}
