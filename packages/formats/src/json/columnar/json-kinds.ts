import type { Field } from '@millrace/core'
import { LIST, NULLABLE, RAW, TEXT, type KernelKind } from '../../columnar/kernel-columns.js'
import { valueKind } from '../../columnar/kernel-kinds.js'

// Flag as assembly/json-kernel.ts has it: a number is taken as it is written.
const NUMBER = 2

const isPlain = (literal: string): boolean => literal >= ' ' && literal !== '"' && literal !== '\\'

const numbers = /^(u?int\d+|float\d+|decimal)$/
/** Items that are the same whether they come from `JSON.parse` or token by token. */
const parsedItems = /^(utf8|bool|u?int\d+|float64|date|timestamp)$/

/** How the kernel reads a column; `undefined` when only the reference can. */
export const jsonKind = (field: Field): KernelKind | undefined => {
  const { kind, params, nullable } = field
  const value = valueKind(field, isPlain)
  if (value !== undefined) return value
  const variable = { size: 4, flags: nullable ? NULLABLE : 0, least: 0n, most: 0n, scale: 0, pattern: undefined }
  if (kind === 'utf8') return { ...variable, kind: TEXT, isDeferred: false }
  // Times of a zone are texts that a column builder converts, and so are the texts of dictionaries.
  if (kind === 'date' || kind === 'timestamp') return { ...variable, kind: TEXT, flags: variable.flags | (params.format === undefined ? 0 : NUMBER), isDeferred: true }
  if (kind === 'decimal') return { ...variable, kind: RAW, flags: variable.flags | NUMBER, isDeferred: true }
  if (kind === 'dictionary') {
    if (numbers.test(params.item!.kind)) return { ...variable, kind: RAW, flags: variable.flags | NUMBER, isDeferred: true }
    return params.item!.kind === 'utf8' ? { ...variable, kind: TEXT, isDeferred: true } : undefined
  }
  return kind === 'list' ? listKind(params.item!, params.size, variable) : undefined
}

const listKind = (item: Field, size: number | undefined, variable: Omit<KernelKind, 'kind' | 'isDeferred'>): KernelKind | undefined => {
  const kind = item.nullable ? undefined : valueKind(item, isPlain)
  if (kind !== undefined && item.kind !== 'bool') return { ...variable, kind: LIST, scale: size ?? -1, item: kind, isDeferred: false }
  return isParsed(item) ? { ...variable, kind: RAW, isDeferred: true } : undefined
}

const isParsed = ({ kind, params }: Field): boolean => (kind === 'list' ? isParsed(params.item!) : parsedItems.test(kind))
