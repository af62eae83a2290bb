import { numbersOf, sizeOf, type HostTensor } from '../../tensor/host-tensor.js'
import { intAttr } from '../graph/graph.js'
import { checkElements, inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { joinElements, takeElements } from './movement.js'

/** Deals the rows of a tensor out to partitions: lookups in partitioned variables begin with it. */
const dynamicPartition: Kernel = (node) => {
  const count = intAttr(node, 'num_partitions')
  if (count < 1 || count > 65536) throw opError(node, `it has ${count} partitions`)
  return (inputs) => {
    const [data, partitions] = [inputOf(node, inputs, 0), inputOf(node, inputs, 1)]
    const rank = partitions.shape.length
    if (partitions.shape.some((dim, i) => dim !== data.shape[i])) throw opError(node, `partitions of [${partitions.shape.join(',')}] do not fit data of [${data.shape.join(',')}]`)
    const rowShape = data.shape.slice(rank)
    const width = sizeOf(rowShape)
    const picks = numbersOf(partitions, node.name)
    const parts: number[][] = Array.from({ length: count }, () => [])
    for (let row = 0; row < picks.length; row++) {
      const part = parts[Number(picks[row]!)]
      if (part === undefined) throw opError(node, `${picks[row]} is not one of ${count} partitions`)
      for (let i = 0; i < width; i++) part.push(row * width + i)
    }
    return parts.map((part) => takeElements(data, Int32Array.from(part), [width === 0 ? 0 : part.length / width, ...rowShape]))
  }
}

/** Puts rows back in order by their indices; of several with one index the last counts. */
const dynamicStitch: Kernel = (node) => {
  const count = intAttr(node, 'N')
  return (inputs) => {
    const indices = inputs.slice(0, count)
    const data: readonly HostTensor[] = inputs.slice(count, 2 * count)
    if (count < 1 || data.length !== count) throw opError(node, `it has ${inputs.length} inputs, and ${2 * count} are wanted`)
    const rowShape = data[0]!.shape.slice(indices[0]!.shape.length)
    const width = sizeOf(rowShape)
    const flat = indices.map((tensor) => numbersOf(tensor, node.name))
    const rows = flat.reduce<number>((most, numbers) => (numbers as Int32Array).reduce<number>((max, index) => Math.max(max, Number(index) + 1), most), 0)
    const shape = [rows, ...rowShape]
    const owners = new Int32Array(checkElements(node, shape)).fill(-1)
    let at = 0
    flat.forEach((numbers, k) => {
      if (sizeOf(data[k]!.shape) !== numbers.length * width) throw opError(node, `its input ${k} has ${numbers.length} indices for data of [${data[k]!.shape.join(',')}]`)
      for (let i = 0; i < numbers.length; i++) {
        const row = Number(numbers[i]!)
        if (row < 0) throw opError(node, `${row} is not an index`)
        for (let j = 0; j < width; j++) owners[row * width + j] = at++
      }
    })
    if (owners.includes(-1)) throw opError(node, 'some rows of its result are given by no input')
    return [takeElements(joinElements(data), owners, shape)]
  }
}

/** Ops of lookups in partitioned variables. */
export const partitionKernels: KernelTable = { DynamicPartition: dynamicPartition, DynamicStitch: dynamicStitch, ParallelDynamicStitch: dynamicStitch }
