import type { Graph, Tensor } from '@millrace/export'
import { isIndexedSlices, type Gradient } from '../gradients/index.js'

/**
 * How gradients are limited: each element to between `-value` and `value`; each variable's gradient to a Euclidean norm; or all of
 * them together to one norm (`tf.clip_by_value`, `tf.clip_by_norm`, `tf.clip_by_global_norm`). Of rows that are looked up more than
 * once, the sum counts.
 */
export type GradientClip = { readonly value: number } | { readonly norm: number } | { readonly globalNorm: number }

const valuesOf = (gradient: Gradient): Tensor => (isIndexedSlices(gradient) ? gradient.values : gradient)

const withValues = (gradient: Gradient, values: Tensor): Gradient => (isIndexedSlices(gradient) ? { ...gradient, values } : values)

/** Adds nodes where a gradient is, so that only numbers travel when gradients of several devices have one norm. */
const beside = <A>(graph: Graph, gradient: Gradient, body: (values: Tensor) => A): A => {
  const values = valuesOf(gradient)
  return graph.withDevice(values.node.device, () => body(values))
}

/** `clip / max(norm, clip)`: 1 where the norm is within its limit. */
const shrinking = (graph: Graph, gradients: readonly Gradient[], clip: number): Tensor => {
  // L2Loss is half the sum of squares.
  const halves = graph.one('AddN', [gradients.map((gradient) => beside(graph, gradient, (values) => graph.one('L2Loss', [values])))])
  const norm = graph.one('Sqrt', [graph.one('Mul', [halves, graph.scalar('float32', 2)])])
  const limit = graph.scalar('float32', clip)
  return graph.one('RealDiv', [limit, graph.one('Maximum', [norm, limit])])
}

/** Adds the nodes that limit gradients. */
export const clipGradients = (graph: Graph, gradients: readonly Gradient[], clip: GradientClip): Gradient[] => {
  if ('value' in clip) {
    const number = (value: number): Tensor => graph.scalar('float32', value)
    const limited = (values: Tensor): Tensor => graph.one('Minimum', [graph.one('Maximum', [values, number(-clip.value)]), number(clip.value)])
    return gradients.map((gradient) => withValues(gradient, beside(graph, gradient, limited)))
  }
  const scaled = (gradient: Gradient, factor: Tensor): Gradient =>
    withValues(gradient, beside(graph, gradient, (values) => graph.one('Mul', [values, factor])))
  if ('norm' in clip) {
    return gradients.map((gradient) => beside(graph, gradient, () => scaled(gradient, shrinking(graph, [gradient], clip.norm))))
  }
  const factor = shrinking(graph, gradients, clip.globalNorm)
  return gradients.map((gradient) => scaled(gradient, factor))
}
