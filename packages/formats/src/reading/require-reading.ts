import { describeValue, failure, requireFields, requireOneOf, requireOptions, requireSource, type Schema } from '@millrace/core'

/** Options of readers that are limits, `Infinity` for none. */
const LIMITS = ['maxRecordBytes', 'maxDepth', 'maxStringLength', 'maxFieldLength'] as const

/** What readers are given, as far as it is alike. */
type Given = { readonly schema?: Schema | undefined } & { readonly [K in (typeof LIMITS)[number]]?: number | undefined }

/** What a reader takes. */
export interface ReadingRules {
  /** Its options. */
  readonly options: Parameters<typeof requireOptions>[2]
  /** Whether it can do without a schema. Default false. */
  readonly findsSchema?: boolean | undefined
  /** Options that are one of a few words. */
  readonly words?: { readonly [option: string]: readonly string[] } | undefined
}

const usage = (code: string, problem: string, remedy: string): Error => failure({ tag: 'Usage', code, problem, remedy })

/**
 * Checks what a reader is given, for callers whom the compiler does not check.
 *
 * @param use - name of the reader
 * @throws `Usage` for what is no source, no options, no limit or no word of those there are, and where a schema is missing; `Schema` for what
 *   is none
 */
export const requireReading = (use: string, source: unknown, given: unknown, { options: rules, findsSchema = false, words = {} }: ReadingRules): void => {
  requireSource(source)
  requireOptions(use, given, rules)
  const options: Given = given ?? {}
  if (options.schema !== undefined) requireFields(options.schema, use)
  else if (!findsSchema) {
    throw usage('NO_SCHEMA', `${use} is not told which columns to read`, 'Give { schema: { name: field.utf8(), … } }; the options that inferSchema finds have one.')
  }
  for (const name of LIMITS) {
    const limit: unknown = options[name]
    if (limit !== undefined && !(typeof limit === 'number' && limit >= 1)) throw usage('BAD_OPTION', `${name} of ${use} is ${describeValue(limit)}`, 'Give a number from 1 on.')
  }
  for (const [name, allowed] of Object.entries(words)) {
    const word = (options as { readonly [option: string]: unknown })[name]
    if (word !== undefined) requireOneOf(`${name} of ${use}`, word as string, allowed)
  }
}
