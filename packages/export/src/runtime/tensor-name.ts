import { failure } from '@millrace/core'

/** A node or one of its outputs: by name, or as the graph builder gives it. */
export type NodeRef = string | { readonly name: string }

/** TensorFlow's own rule, with the slashes of scopes (`tensorflow/core/graph/tensor_id.cc`). A NUL would end the name in C. */
const pattern = /^([A-Za-z0-9.][A-Za-z0-9_.\\/>-]*)(?::(0|[1-9]\d{0,8}))?$/

const parse = (ref: NodeRef, use: string): { readonly node: string; readonly index: string | undefined } => {
  // Of callers without types.
  const name: unknown = typeof ref === 'string' ? ref : (ref as { readonly name: unknown } | null | undefined)?.name
  if (typeof name !== 'string') throw failure({ tag: 'Usage', code: 'TENSOR_NAME', problem: `${String(ref)} is no name for ${use}`, remedy: 'Give the name, or a node or tensor of the graph.' })
  const [, node, index] = pattern.exec(name) ?? []
  if (node !== undefined) return { node, index }
  throw failure({
    tag: 'Usage',
    code: 'TENSOR_NAME',
    problem: `${JSON.stringify(name)} is no name for ${use}`,
    remedy: name.startsWith('^') ? 'Name the node in targets, without ^.' : 'Write node, or node:1 for its second output.',
  })
}

/**
 * The full name of an output: `x` becomes `x:0`. Servers wait for a tensor named without its index until the deadline, so no name
 * goes out without one.
 *
 * @throws `Usage` for what is no name
 */
export const tensorName = (ref: NodeRef, use = 'a tensor'): string => {
  const { node, index } = parse(ref, use)
  return `${node}:${index ?? '0'}`
}

/** The name of a node: `train:0` becomes `train`. @throws `Usage` for what is no name */
export const targetName = (ref: NodeRef): string => parse(ref, 'a target').node

/** A full name apart: `['x', 0]` of `x:0`. */
export const splitName = (name: string): readonly [node: string, index: number] => {
  const colon = name.lastIndexOf(':')
  return [name.slice(0, colon), Number(name.slice(colon + 1))]
}
