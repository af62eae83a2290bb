import { tensorflow } from '../../packages/export/src/proto/index.js'

/** A node as it is written by hand; attributes as TensorFlow's messages. */
export interface RawNode {
  readonly name: string
  readonly op: string
  readonly input?: readonly string[]
  readonly device?: string
  readonly attr?: { readonly [name: string]: tensorflow.AttrValue.$Properties }
}

/** A `GraphDef` of nodes that the graph builder has no ops for. */
export const graphDef = (nodes: readonly RawNode[]): Uint8Array =>
  tensorflow.GraphDef.encode({
    node: nodes.map(({ name, op, input, device, attr }) => ({ name, op, input: [...(input ?? [])], device: device ?? '', attr: { ...attr } })),
    versions: { producer: 2308 },
  }).finish()

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Attributes by kind. */
export const attr = {
  s: (value: string) => ({ s: bytes(value) }),
  i: (value: number) => ({ i: { low: value | 0, high: value < 0 ? -1 : 0, unsigned: false } }),
  b: (value: boolean) => ({ b: value }),
  type: (value: number) => ({ type: value as tensorflow.DataType }),
  types: (...values: number[]) => ({ list: { type: values as tensorflow.DataType[] } }),
  scalars: (count: number) => ({ list: { shape: Array.from({ length: count }, () => ({})) } }),
}
