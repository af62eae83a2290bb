import type { Field } from '../schema/index.js'

/** Texts and numbers of JSON that is sound. */
const values = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g
/** What a number may have that a float does not hold exactly, or holds as an integer though it is none. */
const mayBeRounded = /[.eE]|\d{16}/

/** Digits of a number that is to be appended by them. */
export class Digits {
  constructor(readonly text: string) {}
}

const keepsDigits = ({ kind, params }: Field): boolean => (kind === 'list' ? keepsDigits(params.item!) : kind === 'decimal' || /^u?int\d+$/.test(kind))

/** Takes the marks off that {@link parseList} puts before texts (`s`) and numbers (`n`), in lists as deep as the field has them. */
const unmarked = (value: unknown, { kind, params }: Field): unknown => {
  if (typeof value === 'string') return value.startsWith('n') ? new Digits(value.slice(1)) : value.slice(1)
  return Array.isArray(value) && kind === 'list' ? value.map((item) => unmarked(item, params.item!)) : value
}

/**
 * The value of a list's JSON text. Numbers of integers and decimals that may be rounded as floats are {@link Digits}.
 *
 * @throws SyntaxError for a text that is no JSON
 */
export const parseList = (field: Field, text: string): unknown => {
  const value = JSON.parse(text) as unknown
  if (!mayBeRounded.test(text) || !keepsDigits(field)) return value
  return unmarked(JSON.parse(text.replace(values, (token) => (token.startsWith('"') ? `"s${token.slice(1)}` : `"n${token}"`))), field)
}
