import { describeValue, failure } from '@millrace/core'

const isText = (value: unknown): boolean => typeof value === 'string'
const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText)
const isObjectOf = (value: unknown, fits: (item: unknown) => boolean): boolean => typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every((item) => item === undefined || fits(item))

/** What an option may be that is more than a text, a number or a flag. */
const forms = {
  'a text, or null': (value: unknown): boolean => value === null || isText(value),
  'a list of texts': areTexts,
  'a text or a list of texts': (value: unknown): boolean => isText(value) || areTexts(value),
  'true, or a list of names': (value: unknown): boolean => value === true || areTexts(value),
  'true, false, or a list of names': (value: unknown): boolean => typeof value === 'boolean' || areTexts(value),
  'an object of names and indices': (value: unknown): boolean => isObjectOf(value, (item) => isText(item) || typeof item === 'number'),
  'an object of paths, each a text or a list of keys': (value: unknown): boolean => isObjectOf(value, (item) => isText(item) || areTexts(item)),
} as const

/** Options and what they may be. */
export type OptionForms = { readonly [option: string]: keyof typeof forms }

/**
 * Checks options that are neither a text, a number nor a flag alone, for callers whom the compiler does not check.
 *
 * @param use - name of the reader
 * @throws `Usage` BAD_OPTION that says what may be given
 */
export const requireForms = (use: string, options: object, due: OptionForms): void => {
  for (const [name, form] of Object.entries(due)) {
    const value = (options as { readonly [option: string]: unknown })[name]
    if (value === undefined || forms[form](value)) continue
    throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `${name} of ${use} is ${describeValue(value)}`, remedy: `Give ${form}.` })
  }
}
