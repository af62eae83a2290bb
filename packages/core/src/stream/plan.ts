import type { Json } from './position.js'

/**
 * What a stream does, as plain data: a tree of named operators with their options, sources at the leaves. Functions given
 * by the caller appear as `{ lambda: name }`, opaque. Optimisers, other engines and `explain` read it.
 */
export interface PlanNode {
  /** `source:json`, `filter`, `join`, … */
  readonly operator: string
  readonly options: Json
  readonly inputs: readonly PlanNode[]
}

/** How a plan shows a caller's function. */
export const lambda = (fn: { readonly name: string }): Json => ({ lambda: fn.name === '' ? 'anonymous' : fn.name })

/** The plan as indented text, sources last. */
export const explainPlan = (plan: PlanNode, depth = 0): string => {
  const options = JSON.stringify(plan.options)
  const line = `${'  '.repeat(depth)}${plan.operator}${options === '{}' || options === 'null' ? '' : ` ${options}`}`
  return [line, ...plan.inputs.map((input) => explainPlan(input, depth + 1))].join('\n')
}
