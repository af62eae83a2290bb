import { isStringData, type Graph, type GraphNode, type Tensor, type TensorData } from '../graph/index.js'
import type { WeightDescription } from './describe-model.js'
import type { LoweredVariable, VariableSlice } from './variables.js'

/** How a variable is cut into parts by its rows. */
export interface VariablePartition {
  /** See {@link VariableSlice.layout}. */
  readonly layout: 'div' | 'mod'
  /** The device of each part in order: one part for each, and at most as many as there are rows. */
  readonly devices: readonly (string | undefined)[]
}

/** A part of a variable, and which rows of the whole it holds. */
export interface VariablePart {
  readonly weight: WeightDescription
  readonly slice: VariableSlice
}

/** Rows of each part: sizes differ by one at most, the first parts are the larger ones. */
export const partRows = (rows: number, parts: number): number[] =>
  Array.from({ length: parts }, (_, part) => Math.floor(rows / parts) + (part < rows % parts ? 1 : 0))

/** Cuts a variable into parts, its value too. They are named as TensorFlow's partitioned variables: `table/embeddings/part_0`. */
export const cutVariable = (weight: WeightDescription, layout: 'div' | 'mod', parts: number): VariablePart[] => {
  const [rows = 0, ...item] = weight.shape
  let start = 0
  return partRows(rows, parts).map((size, part) => {
    const shape = [size, ...item]
    const slice: VariableSlice = {
      name: weight.name, shape: weight.shape, start: [start, ...item.map(() => 0)], size: shape, layout, part, parts,
    }
    start += size
    const { value, ...described } = weight
    const own = value === undefined ? {} : { value: { dtype: value.dtype, shape, data: rowsOf(value.data, slice) } }
    return { weight: { ...described, ...own, name: `${weight.name}/part_${part}`, shape }, slice }
  })
}

/** The row of the whole, as its ids count them, that is row `row` of the part. */
export const wholeRow = ({ layout, start, part, parts }: VariableSlice, row: number): number =>
  layout === 'div' ? (start[0] as number) + row : row * parts + part

const rowsOf = (data: TensorData, slice: VariableSlice): TensorData => {
  const width = slice.shape.slice(1).reduce((product, dim) => product * dim, 1)
  const [rows = 0] = slice.size
  if (isStringData(data)) return Array.from({ length: rows * width }, (_, at) => data[wholeRow(slice, Math.floor(at / width)) * width + (at % width)] as string)
  if (slice.layout === 'div') return data.subarray(wholeRow(slice, 0) * width, (wholeRow(slice, 0) + rows) * width)
  const chosen = data.slice(0, rows * width)
  for (let row = 0; row < rows; row += 1) {
    const from = wholeRow(slice, row) * width
    chosen.set(data.subarray(from, from + width) as never, row * width)
  }
  return chosen
}

/** The part that holds each id, and its row there. Ids that no part holds get a part or row that does not exist, which TensorFlow refuses. */
const locate = (graph: Graph, ids: Tensor, { layout, shape, parts }: VariableSlice): { readonly part: Tensor; readonly row: Tensor } => {
  const number = (value: number): Tensor => graph.scalar('int32', value)
  const least = Math.floor((shape[0] as number) / parts)
  const larger = (shape[0] as number) % parts
  if (layout === 'mod') return { part: graph.one('FloorMod', [ids, number(parts)]), row: graph.one('FloorDiv', [ids, number(parts)]) }
  if (larger === 0) return { part: graph.one('FloorDiv', [ids, number(least)]), row: graph.one('FloorMod', [ids, number(least)]) }
  // The first parts hold a row more than the others.
  const asLarger = graph.one('FloorDiv', [ids, number(least + 1)])
  const asOther = graph.one('FloorDiv', [graph.one('Sub', [ids, number(larger)]), number(least)])
  const part = graph.one('Maximum', [asLarger, asOther])
  const start = graph.one('AddV2', [graph.one('Mul', [part, number(least)]), graph.one('Minimum', [part, number(larger)])])
  return { part, row: graph.one('Sub', [ids, start]) }
}

const range = (graph: Graph, limit: Tensor): Tensor => graph.one('Range', [graph.scalar('int32', 0), limit, graph.scalar('int32', 1)])

/**
 * Adds a lookup of rows in a variable's parts (`tf.nn.embedding_lookup`): each id once, to the part that holds it, where its row is
 * taken; so that what goes between devices is the batch's different ids and their rows.
 *
 * @param ids - int32, of any shape
 * @param after - nodes that have to run before a part is looked into
 */
export const gatherParts = (graph: Graph, parts: readonly LoweredVariable[], ids: Tensor, after: (part: LoweredVariable) => readonly GraphNode[] | undefined): Tensor => {
  const slice = parts[0]?.slice as VariableSlice
  const flat = ids.shape?.length === 1 ? ids : graph.one('Reshape', [ids, graph.vector('int32', [-1], 'shape')])
  const [unique, positions] = graph.add('Unique', [flat]).outputs as [Tensor, Tensor]
  const { part, row } = locate(graph, unique, slice)
  const byPart = (values: Tensor): readonly Tensor[] => graph.add('DynamicPartition', [values, part], { num_partitions: parts.length }).outputs
  const [rows, places] = [byPart(row), byPart(range(graph, graph.one('Size', [unique])))] as const
  // Of different ids in one part the rows are different, too.
  for (const each of rows) graph.markDistinct(each)
  const found = parts.map((held, index) => {
    const { handle, weight: { dtype }, device } = held
    return graph.one('ResourceGather', [handle, rows[index] as Tensor], { dtype }, { device, control: after(held) })
  })
  const joined = graph.one('ParallelDynamicStitch', [places, found])
  const order = ids.shape?.length === 1 ? positions : graph.one('Reshape', [positions, graph.one('Shape', [ids])])
  return graph.one('GatherV2', [joined, order, graph.scalar('int32', 0, 'axis')])
}

/** Adds what puts the parts of a variable together. All of it comes to where the result is wanted. */
export const joinParts = (graph: Graph, parts: readonly LoweredVariable[], values: readonly Tensor[]): Tensor => {
  const { layout, shape } = parts[0]?.slice as VariableSlice
  if (layout === 'div') return parts.length === 1 ? (values[0] as Tensor) : graph.one('ConcatV2', [values, graph.scalar('int32', 0, 'axis')])
  const number = (value: number): Tensor => graph.scalar('int32', value)
  const places = parts.map(({ slice }) => {
    const { part, parts: count, shape } = slice as VariableSlice
    return graph.one('Range', [number(part), number(shape[0] as number), number(count)])
  })
  return graph.one('Reshape', [graph.one('DynamicStitch', [places, values]), graph.vector('int32', shape, 'shape')])
}
