import type { Field } from '@millrace/core'
import { DECIMAL, FLOAT32, FLOAT64, NULLABLE, TEXT, type KernelKind } from '../../columnar/kernel-columns.js'
import { valueKind } from '../../columnar/kernel-kinds.js'
import type { ResolvedCsvOptions } from '../csv-options.js'

// Flags as assembly/csv-kernel.ts has them.
const NO_TOKENS = 2
const COMMA = 4

/** How the kernel reads a field; what it does not know it cuts out as text. */
export const csvKind = (field: Field, { delimiter, quote, decimalComma }: ResolvedCsvOptions): KernelKind => {
  const kind = valueKind(field, (literal) => literal !== delimiter && literal !== quote && literal !== '\n' && literal !== '\r')
  if (kind !== undefined) return decimalComma && [FLOAT64, FLOAT32, DECIMAL].includes(kind.kind) ? { ...kind, flags: kind.flags | COMMA } : kind
  const isBytes = field.kind === 'utf8' || field.kind === 'binary'
  const flags = field.nullable ? NULLABLE : isText(field) ? NO_TOKENS : 0
  return { kind: TEXT, size: 4, flags, least: 0n, most: 0n, scale: 0, pattern: undefined, isDeferred: !isBytes }
}

const isText = ({ kind, params }: Field): boolean => kind === 'utf8' || kind === 'binary' || (kind === 'dictionary' && params.item !== undefined && isText(params.item))
