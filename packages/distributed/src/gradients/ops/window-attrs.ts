import type { AttrInput, GraphNode } from '@millrace/export'

interface WindowAttrs {
  readonly padding: string
  readonly strides: readonly number[]
  readonly explicit_paddings?: readonly number[]
  readonly dilations?: readonly number[]
  readonly ksize?: readonly number[]
  readonly data_format: string
}

type Name = keyof WindowAttrs

/** Attributes of a node that moves a window, for the nodes of its gradient. */
const take = <Names extends Name>({ attrs }: GraphNode, names: readonly Names[]): { readonly [N in Names]-?: Exclude<WindowAttrs[N], undefined> } =>
  Object.fromEntries(names.map((name) => [name, attrs[name] as AttrInput])) as never

export const convolutionAttrs = (node: GraphNode) => take(node, ['strides', 'padding', 'explicit_paddings', 'dilations', 'data_format'])
export const maximumAttrs = (node: GraphNode) => take(node, ['ksize', 'strides', 'padding', 'explicit_paddings', 'data_format'])
export const averageAttrs = (node: GraphNode) => take(node, ['ksize', 'strides', 'padding', 'data_format'])
