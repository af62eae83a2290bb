import { failure } from './millrace-error.js'
import { nearestName } from './nearest-name.js'
import { describeValue } from './require-one-of.js'

/** What is looked at in every option alike: that one is true or false, or a text. What else there is to check, numbers above all, depends on the option. */
type Rule<Value> = [Value] extends [boolean] ? 'boolean' : [string, Value] extends [Value, string] ? 'text' : 'any'

/** The options of a function, each with what it is: the compiler refuses a list that lacks one, has one too many, or calls it something else. */
export type OptionRules<Options> = { readonly [Name in keyof Options]-?: Rule<Exclude<Options[Name], undefined>> }

type Rules = { readonly [name: string]: 'boolean' | 'text' | 'any' }

const isWrong = (rule: Rules[string], value: unknown): boolean =>
  value !== undefined && ((rule === 'boolean' && typeof value !== 'boolean') || (rule === 'text' && typeof value !== 'string'))

/**
 * Checks the options of a function, for callers whom the compiler does not check: a mistyped name would be passed over.
 *
 * @param use - name of the function: `readCsv`
 * @param given - what the function was given as its options; `undefined` is none
 * @param rules - declared as {@link OptionRules} of their type
 * @throws `Usage` UNKNOWN_OPTION that names the option and the one that was probably meant; BAD_OPTION for what is no object of options, and for
 *   values that are not true or false, or no texts, where they are due
 */
export const requireOptions = (use: string, given: unknown, rules: Rules): void => {
  if (given === undefined) return
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `the options of ${use} are an object, and it was given ${describeValue(given)}`, remedy: `Give { ${Object.keys(rules)[0] ?? ''}: … }.` })
  }
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) throw unknownOption(use, name, Object.keys(rules))
    if (isWrong(rule, value)) throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `${name} of ${use} is ${describeValue(value)}`, remedy: rule === 'text' ? 'Give a text.' : 'Give true or false.' })
  }
}

const unknownOption = (use: string, name: string, names: readonly string[]): Error => {
  const near = nearestName(names, name)
  return failure({
    tag: 'Usage', code: 'UNKNOWN_OPTION', problem: `${use} has no option ${describeValue(name)}`,
    remedy: `${near === undefined ? '' : `Did you mean ${near}? `}The options are: ${names.join(', ')}.`,
  })
}
