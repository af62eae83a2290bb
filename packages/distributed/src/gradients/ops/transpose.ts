import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { constantInts, fromFront } from '../shapes.js'

/** The axes back in their order. */
export const transposeGradient: GradientFunction = ({ graph, inputs, gradients }) => {
  const permutation = inputs[1] as Tensor
  const known = constantInts(permutation)
  const inverse =
    known === undefined
      ? graph.one('InvertPermutation', [permutation])
      : graph.vector('int32', invert(known.map((axis) => fromFront(axis, known.length))), 'perm')
  return [graph.one('Transpose', [gradients[0] as Tensor, inverse])]
}

const invert = (permutation: readonly number[]): number[] => permutation.map((_, axis) => permutation.indexOf(axis))
