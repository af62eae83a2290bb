import { failure } from '@millrace/core'
import type { AttrDef, AttrInput } from './attr.js'
import type { DType } from './dtype.js'
import type { Tensor } from './node.js'
import type { ArgDef, OpDef } from './op-def.js'

/** What `graph.add` takes for one argument: a tensor, or the tensors of a list argument. */
export type OpInput = Tensor | readonly Tensor[]

const isList = (value: OpInput): value is readonly Tensor[] => Array.isArray(value)

const wrong = (node: string, problem: string, remedy?: string): never => {
  throw failure({ tag: 'Model', code: 'GRAPH_NODE', problem: `${node}: ${problem}`, remedy })
}

/** Sets an attribute that follows from the inputs; one that is set already has to agree. */
const infer = (node: string, attrs: Record<string, AttrInput>, name: string, value: AttrInput, because: string): void => {
  const given = attrs[name]
  if (given === undefined) attrs[name] = value
  else if (String(given) !== String(value)) wrong(node, `${because} makes ${name} ${String(value)}, but it is ${String(given)}`)
}

const takeInput = (node: string, arg: ArgDef, given: OpInput, attrs: Record<string, AttrInput>): readonly Tensor[] => {
  const listed = arg.count !== undefined || 'list' in arg.type
  if (listed !== isList(given)) wrong(node, `input "${arg.name}" takes ${listed ? 'a list of tensors' : 'one tensor'}`)
  const tensors = isList(given) ? given : [given]
  if (arg.count !== undefined) infer(node, attrs, arg.count, tensors.length, `input "${arg.name}"`)
  const { type } = arg
  if ('list' in type) {
    infer(node, attrs, type.list, tensors.map((tensor) => tensor.dtype), `input "${arg.name}"`)
  } else {
    for (const tensor of tensors) {
      if ('attr' in type) infer(node, attrs, type.attr, tensor.dtype, `input "${arg.name}" (${tensor.name})`)
      else if (tensor.dtype !== type.dtype) wrong(node, `input "${arg.name}" takes ${type.dtype}, but ${tensor.name} is ${tensor.dtype}`)
    }
  }
  return tensors
}

const checkAttr = (node: string, name: string, def: AttrDef, value: AttrInput): void => {
  const isListed = def.type.startsWith('list(')
  if (def.allowed !== undefined) {
    const given = (isListed ? value : [value]) as readonly DType[]
    const bad = given.find((dtype) => !def.allowed?.includes(dtype))
    if (bad !== undefined) wrong(node, `${name} cannot be ${bad}`, `It takes ${def.allowed.join(', ')}.`)
  }
  if (def.minimum !== undefined) {
    const size = isListed ? (value as readonly unknown[]).length : Number(value)
    if (size < def.minimum) wrong(node, `${name} is ${size}, less than ${def.minimum}`)
  }
}

const outputTypes = (arg: ArgDef, attrs: Readonly<Record<string, AttrInput>>): readonly DType[] => {
  const { type } = arg
  if ('list' in type) return attrs[type.list] as readonly DType[]
  const dtype = 'dtype' in type ? type.dtype : (attrs[type.attr] as DType)
  return arg.count === undefined ? [dtype] : Array.from({ length: Number(attrs[arg.count]) }, () => dtype)
}

/** A node's inputs and attributes checked against the op table, and the dtypes of its outputs. */
export interface ResolvedOp {
  readonly inputs: readonly Tensor[]
  /** All of the op's attributes, defaults included, in the order of their names. */
  readonly attrs: Readonly<Record<string, AttrInput>>
  readonly outputs: readonly DType[]
}

/**
 * Checks what `graph.add` is given against the op table, and fills in the attributes that follow from the inputs.
 *
 * @param node - names the node in errors
 * @throws `Model` when inputs or attributes do not fit the op
 */
export const resolveOp = (
  node: string,
  def: OpDef,
  inputs: readonly OpInput[],
  given: Readonly<Record<string, AttrInput>>,
): ResolvedOp => {
  if (inputs.length !== def.inputs.length) {
    wrong(node, `takes ${def.inputs.length} inputs (${def.inputs.map((arg) => arg.name).join(', ')}), but ${inputs.length} are given`)
  }
  const attrs: Record<string, AttrInput> = {}
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(def.attrs, name)) wrong(node, `has no attribute "${name}"`, `It has ${Object.keys(def.attrs).join(', ')}.`)
    if (value !== undefined || def.attrs[name]?.type === 'shape') attrs[name] = value
  }
  const tensors = def.inputs.flatMap((arg, index) => takeInput(node, arg, inputs[index] as OpInput, attrs))
  const complete: Record<string, AttrInput> = {}
  for (const name of Object.keys(def.attrs).sort()) {
    const attr = def.attrs[name] as AttrDef
    if (!Object.hasOwn(attrs, name) && !attr.hasDefault) wrong(node, `lacks the attribute "${name}"`)
    const value = Object.hasOwn(attrs, name) ? attrs[name] : attr.default
    checkAttr(node, name, attr, value as AttrInput)
    complete[name] = value as AttrInput
  }
  return { inputs: tensors, attrs: complete, outputs: def.outputs.flatMap((arg) => outputTypes(arg, complete)) }
}
