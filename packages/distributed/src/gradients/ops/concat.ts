import type { Dim, Tensor } from '@millrace/export'
import type { GradientContext, GradientFunction } from '../gradient-function.js'
import { constantInts, fromFront } from '../shapes.js'

/** To each input its part of the gradient. */
export const concatGradient: GradientFunction = (context) => {
  const values = context.inputs.slice(0, -1)
  return knownParts(context, values) ?? foundParts(context, values)
}

/** Slices at constant places, where axis and widths are known. */
const knownParts = ({ graph, inputs, gradients }: GradientContext, values: readonly Tensor[]): Tensor[] | undefined => {
  const [axis] = constantInts(inputs.at(-1) as Tensor) ?? []
  const rank = values.find(({ shape }) => shape !== undefined)?.shape?.length
  if (axis === undefined || rank === undefined) return undefined
  const at = fromFront(axis, rank)
  const widths = values.map(({ shape }): Dim => shape?.[at] ?? null)
  if (!widths.every((width) => width !== null)) return undefined
  let offset = 0
  return widths.map((width) => {
    const [begin, size] = [new Int32Array(rank), new Int32Array(rank).fill(-1)]
    begin[at] = offset
    size[at] = width
    offset += width
    return graph.one('Slice', [gradients[0] as Tensor, graph.vector('int32', begin, 'begin'), graph.vector('int32', size, 'size')])
  })
}

/** Slices whose places are found when the graph runs. */
const foundParts = ({ graph, inputs, gradients }: GradientContext, values: readonly Tensor[]): Tensor[] => {
  const given = inputs.at(-1) as Tensor
  const axis = given.dtype === 'int32' ? given : graph.one('Cast', [given], { DstT: 'int32' })
  const shapes = values.map((value) => graph.one('Shape', [value]))
  const offsets = graph.add('ConcatOffset', [axis, shapes]).outputs
  return shapes.map((shape, index) => graph.one('Slice', [gradients[0] as Tensor, offsets[index] as Tensor, shape]))
}
