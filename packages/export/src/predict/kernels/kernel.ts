import { failure } from '@millrace/core'
import type { HostTensor } from '../../tensor/host-tensor.js'
import type { Node } from '../graph/graph.js'

/** What kernels may reach beside their inputs. */
export interface KernelContext {
  /** Contents of the model's asset files, by the path that the graph's constants hold. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** Computes the outputs of one node. Inputs are never written to; outputs may share their buffers. */
export type RunKernel = (inputs: readonly HostTensor[], context: KernelContext) => readonly HostTensor[]

/**
 * Prepares a node: attributes are read and checked once, at load.
 *
 * @throws `Model` for attributes that the kernel does not support
 */
export type Kernel = (node: Node) => RunKernel

/** Ops by name. */
export type KernelTable = { readonly [op: string]: Kernel }

/**
 * Most elements that an op may make of small inputs (`Fill`, `Tile`, `OneHot`, …): a tensor of 2 GiB of doubles. Larger ones
 * come of damaged graphs, or want another runtime.
 */
export const MAX_ELEMENTS = 2 ** 28

/** Refuses a result that would be too large, before it is allocated. */
export const checkElements = (node: Node, shape: readonly number[]): number => {
  const size = shape.reduce((product, dim) => product * dim, 1)
  if (shape.some((dim) => dim < 0)) throw opError(node, `its result would have the shape [${shape.join(',')}]`)
  if (size <= MAX_ELEMENTS) return size
  throw failure({ tag: 'Limit', code: 'TENSOR_TOO_LARGE', problem: `the node ${node.name} (${node.op}) would make ${size} elements; at most ${MAX_ELEMENTS} are made` })
}

/** An error of a node as it runs or is prepared. */
export const opError = (node: Node, problem: string): Error =>
  failure({ tag: 'Model', code: 'OP_FAILED', problem: `the node ${node.name} (${node.op}) cannot be computed: ${problem}` })

/** Input `index`. @throws `Model` when the node has fewer inputs */
export const inputOf = (node: Node, inputs: readonly HostTensor[], index: number): HostTensor => {
  const input = inputs[index]
  if (input === undefined) throw opError(node, `it has no input ${index}`)
  return input
}
