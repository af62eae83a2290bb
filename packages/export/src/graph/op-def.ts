import type { AttrDef, AttrOf } from './attr.js'
import { dtypeNumbers, type DType } from './dtype.js'
import type { ShapeFunction } from './shape-function.js'

/** One argument of an op. */
export interface ArgDef {
  readonly name: string
  /** The dtype itself, the `type` attribute that holds it, or the `list(type)` attribute that holds one for each tensor. */
  readonly type: { readonly dtype: DType } | { readonly attr: string } | { readonly list: string }
  /** The `int` attribute that says how many tensors of the one dtype there are. */
  readonly count?: string | undefined
}

/** One op in the table. */
export interface OpDef<Attrs extends Readonly<Record<string, AttrDef>> = Readonly<Record<string, AttrDef>>> {
  readonly inputs: readonly ArgDef[]
  readonly outputs: readonly ArgDef[]
  readonly attrs: Attrs
  /** True when the op holds or changes state, so that two equal nodes are not one. */
  readonly stateful: boolean
  /** Static shapes of the outputs; absent where nothing is known. */
  readonly shape: ShapeFunction | undefined
}

/** Attributes that `graph.add` takes for an op; those that follow from the inputs' dtypes and number may be left out. */
export type AttrsOf<D extends OpDef> = { readonly [K in keyof D['attrs']]?: AttrOf<D['attrs'][K]['type']> }

const parseArg = (text: string, attrs: Readonly<Record<string, AttrDef>>): ArgDef => {
  const [name = '', spec = ''] = text.split(':')
  const [count, type = ''] = spec.includes('*') ? spec.split('*') : [undefined, spec]
  if (type in dtypeNumbers) return { name, type: { dtype: type as DType }, count }
  if (attrs[type]?.type === 'list(type)') return { name, type: { list: type } }
  if (attrs[type]?.type === 'type') return { name, type: { attr: type }, count }
  throw new Error(`the op table names ${type} for ${name}, which is neither a dtype nor an attribute of types`)
}

const parseArgs = (text: string, attrs: Readonly<Record<string, AttrDef>>): ArgDef[] =>
  text.trim() === '' ? [] : text.trim().split(/\s+/).map((arg) => parseArg(arg, attrs))

/**
 * Writes one op of the table.
 *
 * @param signature - `a:T b:T -> product:T`: each argument's name and its dtype, or the attribute that holds the dtype (`T`), the
 *   dtypes (`dtypes`, of type `list(type)`), or a number of tensors and their dtype (`N*T`)
 */
export const op = <Attrs extends Readonly<Record<string, AttrDef>>>(
  signature: string,
  attrs: Attrs,
  shape?: ShapeFunction,
  options: { readonly stateful?: boolean } = {},
): OpDef<Attrs> => {
  const [inputs = '', outputs = ''] = signature.split('->')
  return { inputs: parseArgs(inputs, attrs), outputs: parseArgs(outputs, attrs), attrs, stateful: options.stateful ?? false, shape }
}
