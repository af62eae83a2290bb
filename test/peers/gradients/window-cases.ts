import type { Dim, Tensor } from '@millrace/export'
import { check, graph, input, ints } from './cases.js'

/** Windows over images, and what cuts, repeats and stretches. */

const hidden: readonly (readonly [string, (shape: readonly number[]) => readonly Dim[]])[] = [
  ['', (shape) => shape],
  [' of an unknown batch', ([, ...rest]) => [null, ...rest]],
  [' of unknown sizes', (shape) => shape.map((dim, axis) => (axis === shape.length - 1 ? dim : null))],
]

for (const [of, known] of hidden) {
  for (const padding of ['SAME', 'VALID'] as const) {
    for (const strides of [[1, 1, 1, 1], [1, 2, 2, 1]] as const) {
      const images = (channels: number): Tensor => input([2, 6, 5, channels], { known: known([2, 6, 5, channels]) })
      const out = (filter: readonly [number, number]): readonly [number, number] => {
        const along = (dim: number, window: number): number => Math.ceil((padding === 'SAME' ? dim : dim - window + 1) / strides[1])
        return [along(6, filter[0]), along(5, filter[1])]
      }
      const moved = `${padding}, ${strides[1]} at a time${of}`
      check(`Conv2D ${moved}`, () => {
        const [x, filter] = [images(3), input([3, 2, 3, 4])]
        return { y: graph.one('Conv2D', [x, filter], { strides, padding }), xs: [x, filter], seedShape: [2, ...out([3, 2]), 4] }
      })
      check(`DepthwiseConv2dNative ${moved}`, () => {
        const [x, filter] = [images(3), input([3, 2, 3, 2])]
        return { y: graph.one('DepthwiseConv2dNative', [x, filter], { strides, padding }), xs: [x, filter], seedShape: [2, ...out([3, 2]), 6] }
      })
      for (const op of ['MaxPool', 'AvgPool'] as const) {
        check(`${op} ${moved}`, () => {
          const x = images(3)
          return { y: graph.one(op, [x], { ksize: [1, 3, 2, 1], strides, padding }), xs: [x], seedShape: [2, ...out([3, 2]), 3] }
        })
      }
      if (of === ' of unknown sizes') continue
      check(`Conv2DBackpropInput ${moved}`, () => {
        const [x, filter] = [input([2, ...out([3, 2]), 4], { known: known([2, ...out([3, 2]), 4]) }), input([3, 2, 3, 4])]
        return { y: graph.one('Conv2DBackpropInput', [ints(2, 6, 5, 3), filter, x], { strides, padding }), xs: [x, filter], seedShape: [2, 6, 5, 3] }
      })
    }
  }
}

for (const [of, known] of hidden) {
  const moved = (name: string, shape: readonly number[], op: (x: Tensor) => Tensor, seedShape: readonly number[]): void => {
    check(`${name}${of}`, () => {
      const x = input(shape, { known: known(shape) })
      return { y: op(x), xs: [x], seedShape }
    })
  }
  for (const op of ['ResizeNearestNeighbor', 'ResizeBilinear'] as const) {
    moved(op, [2, 3, 2, 2], (x) => graph.one(op, [x, ints(6, 5)]), [2, 6, 5, 2])
    moved(`${op} to fewer, corners on corners`, [2, 4, 5, 2], (x) => graph.one(op, [x, ints(3, 3)], { align_corners: true }), [2, 3, 3, 2])
  }
  moved('SpaceToBatchND', [2, 5, 4, 3], (x) => graph.one('SpaceToBatchND', [x, ints(2, 2), graph.one('Reshape', [ints(1, 0, 1, 1), ints(2, 2)])]), [8, 3, 3, 3])
  moved('BatchToSpaceND', [8, 3, 3, 3], (x) => graph.one('BatchToSpaceND', [x, ints(2, 2), graph.one('Reshape', [ints(1, 0, 1, 1), ints(2, 2)])]), [2, 5, 4, 3])
  moved('Pad', [2, 3, 4], (x) => graph.one('Pad', [x, graph.one('Reshape', [ints(1, 0, 2, 3, 0, 1), ints(3, 2)])]), [3, 8, 5])
  moved('ReverseV2', [2, 3, 4], (x) => graph.one('ReverseV2', [x, ints(1, -1)]), [2, 3, 4])
  moved('Tile', [2, 3, 4], (x) => graph.one('Tile', [x, ints(2, 1, 3)]), [4, 3, 12])
  moved('Tile by multiples that are computed', [2, 3, 4], (x) => graph.one('Tile', [x, graph.one('Identity', [ints(1, 2, 2)])]), [2, 6, 8])
  moved('Split, one of them unused', [2, 3, 6], (x) => {
    const [first, , third] = graph.add('Split', [graph.scalar('int32', -1), x], { num_split: 3 }).outputs as [Tensor, Tensor, Tensor]
    return graph.one('Mul', [first, third])
  }, [2, 3, 2])
  moved('Split into one', [2, 3, 4], (x) => graph.one('Split', [graph.scalar('int32', 1), x], { num_split: 1 }), [2, 3, 4])
  moved('SplitV', [2, 6, 4], (x) => {
    const [first, second] = graph.add('SplitV', [x, ints(4, 2), graph.scalar('int32', 1)], { num_split: 2 }).outputs as [Tensor, Tensor]
    return graph.one('ConcatV2', [[graph.one('Exp', [second]), first], graph.scalar('int32', 1)])
  }, [2, 6, 4])
  for (const [axes, keep_dims, seedShape] of [[[0], false, [3, 4]], [[-1], true, [2, 3, 1]], [[2, 0], false, [3]], [[0, 1, 2], true, [1, 1, 1]]] as const) {
    if (of === ' of unknown sizes' && axes[0] !== -1) continue
    moved(`Prod over [${axes.join(', ')}]`, [2, 3, 4], (x) => graph.one('Prod', [x, ints(...axes)], { keep_dims }), seedShape)
  }
}
check('Prod with zeros', () => {
  const x = input([2, 3], {}, [0, 2, 3, 0, 0, 4])
  return { y: graph.one('Prod', [x, ints(1)]), xs: [x], seedShape: [2] }
})
