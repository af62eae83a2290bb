import { allocate } from '../../tensor/dtypes.js'
import { numbersOf, sizeOf, smallNumbers, type HostTensor } from '../../tensor/host-tensor.js'
import { intAttr, type Node } from '../graph/graph.js'
import { checkElements, inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { broadcastShapes, broadcastTo, joinElements, resolveAxis, reshaped, takeElements } from './movement.js'

const choose = (node: Node, condition: HostTensor, yes: HostTensor, no: HostTensor, shape: readonly number[]): HostTensor => {
  if (condition.dtype !== 'bool' || yes.dtype !== no.dtype) throw opError(node, `it chooses by ${condition.dtype} between ${yes.dtype} and ${no.dtype}`)
  const [c, y, n] = [condition, yes, no].map((tensor) => broadcastTo(tensor, shape)) as [HostTensor, HostTensor, HostTensor]
  const flags = numbersOf(c, node.name)
  const size = checkElements(node, shape)
  const indices = new Int32Array(size)
  for (let i = 0; i < size; i++) indices[i] = flags[i] === 1 ? i : size + i
  return takeElements(joinElements([y, n]), indices, shape)
}

const selectV2: Kernel = (node) => (inputs) => {
  const [condition, yes, no] = [inputOf(node, inputs, 0), inputOf(node, inputs, 1), inputOf(node, inputs, 2)]
  return [choose(node, condition, yes, no, broadcastShapes(node, condition.shape, broadcastShapes(node, yes.shape, no.shape)))]
}

/** The older op: a vector as condition picks whole rows. */
const select: Kernel = (node) => (inputs) => {
  const [condition, yes, no] = [inputOf(node, inputs, 0), inputOf(node, inputs, 1), inputOf(node, inputs, 2)]
  const byRow = condition.shape.length === 1 && yes.shape.length > 1
  const aligned = byRow ? reshaped(condition, [...condition.shape, ...yes.shape.slice(1).map(() => 1)]) : condition
  return [choose(node, aligned, yes, no, yes.shape)]
}

/** The slices of `params` along `axis` that `indices` name. */
const gather = (node: Node, params: HostTensor, indices: HostTensor, axis: number, batchDims: number): HostTensor => {
  const dim = params.shape[axis]!
  const outer = sizeOf(params.shape.slice(batchDims, axis))
  const inner = sizeOf(params.shape.slice(axis + 1))
  const batches = sizeOf(params.shape.slice(0, batchDims))
  if (params.shape.slice(0, batchDims).some((size, i) => size !== indices.shape[i])) throw opError(node, 'the batches of its inputs differ')
  const each = sizeOf(indices.shape.slice(batchDims))
  const shape = [...params.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...params.shape.slice(axis + 1)]
  const out = new Int32Array(checkElements(node, shape))
  const picks = numbersOf(indices, node.name)
  let at = 0
  for (let b = 0; b < batches; b++) {
    for (let o = 0; o < outer; o++) {
      for (let k = 0; k < each; k++) {
        const pick = Number(picks[b * each + k]!)
        if (!(pick >= 0 && pick < dim)) throw opError(node, `index ${pick} lies outside a dimension of ${dim}`)
        const start = ((b * outer + o) * dim + pick) * inner
        for (let i = 0; i < inner; i++) out[at++] = start + i
      }
    }
  }
  return takeElements(params, out, shape)
}

const gatherV2: Kernel = (node) => {
  const batch = intAttr(node, 'batch_dims', 0)
  return (inputs) => {
    const [params, indices] = [inputOf(node, inputs, 0), inputOf(node, inputs, 1)]
    const axis = node.op === 'Gather' ? 0 : resolveAxis(node, smallNumbers(inputOf(node, inputs, 2), node.name)[0] ?? 0, params.shape.length)
    if (params.shape.length === 0) throw opError(node, 'it gathers from a scalar')
    const batchDims = batch < 0 ? batch + indices.shape.length : batch
    if (batchDims < 0 || batchDims > axis) throw opError(node, `${batchDims} batch dimensions do not fit axis ${axis}`)
    return [gather(node, params, indices, axis, batchDims)]
  }
}

const oneHot: Kernel = (node) => {
  const wanted = intAttr(node, 'axis', -1)
  return (inputs) => {
    const [indices, depths, on, off] = [inputOf(node, inputs, 0), inputOf(node, inputs, 1), inputOf(node, inputs, 2), inputOf(node, inputs, 3)]
    const depth = smallNumbers(depths, node.name)[0] ?? 0
    const axis = resolveAxis(node, wanted, indices.shape.length + 1)
    const shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)]
    const data = allocate(on.dtype, checkElements(node, shape)) as Float32Array
    const [hot, cold] = [numbersOf(on, node.name)[0] as number, numbersOf(off, node.name)[0] as number]
    data.fill(cold)
    const inner = sizeOf(indices.shape.slice(axis))
    const picks = numbersOf(indices, node.name)
    for (let i = 0; i < picks.length; i++) {
      const pick = Number(picks[i]!)
      if (pick >= 0 && pick < depth) data[(Math.floor(i / inner) * depth + pick) * inner + (i % inner)] = hot
    }
    return [{ dtype: on.dtype, shape, data }]
  }
}

const likes = (value: number): Kernel => (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  const data = allocate(input.dtype, sizeOf(input.shape))
  if (value !== 0) (data as Float32Array).fill((data instanceof BigInt64Array || data instanceof BigUint64Array ? 1n : 1) as number)
  return [{ ...input, data }]
}

/** Ops that pick elements by condition or index. */
export const selectKernels: KernelTable = {
  Select: select,
  SelectV2: selectV2,
  GatherV2: gatherV2,
  Gather: gatherV2,
  OneHot: oneHot,
  ZerosLike: likes(0),
  OnesLike: likes(1),
}
