import { atLeast, epsilon, meanOfItem, number, sumOfItem, type Loss } from './loss.js'

/** `mean((output - label)²)` */
export const meanSquaredError: Loss = (graph, label, output) => meanOfItem(graph, graph.one('Square', [graph.one('Sub', [output, label])]))

/** `mean(|output - label|)` */
export const meanAbsoluteError: Loss = (graph, label, output) => meanOfItem(graph, graph.one('Abs', [graph.one('Sub', [output, label])]))

/** `100 mean(|(label - output) / |label||)`, labels near 0 held away from it. */
export const meanAbsolutePercentageError: Loss = (graph, label, output) => {
  const size = atLeast(graph, graph.one('Abs', [label]), epsilon)
  const part = graph.one('Abs', [graph.one('RealDiv', [graph.one('Sub', [label, output]), size])])
  return graph.one('Mul', [meanOfItem(graph, part), number(graph, 100)])
}

/** `mean((log(1 + label) - log(1 + output))²)`, both held above 0. */
export const meanSquaredLogarithmicError: Loss = (graph, label, output) => {
  const [ours, theirs] = [output, label].map((x) => graph.one('Log', [graph.one('AddV2', [atLeast(graph, x, epsilon), number(graph, 1)])]))
  return meanOfItem(graph, graph.one('Square', [graph.one('Sub', [ours!, theirs!])]))
}

/** `mean(log(cosh(output - label)))` */
export const logcosh: Loss = (graph, label, output) => {
  const difference = graph.one('Sub', [output, label])
  const bend = graph.one('Softplus', [graph.one('Mul', [difference, number(graph, -2)])])
  return meanOfItem(graph, graph.one('Sub', [graph.one('AddV2', [difference, bend]), number(graph, Math.LN2)]))
}

/** `mean(output - label log(output))` */
export const poisson: Loss = (graph, label, output) => {
  const log = graph.one('Log', [graph.one('AddV2', [output, number(graph, epsilon)])])
  return meanOfItem(graph, graph.one('Sub', [output, graph.one('Mul', [label, log])]))
}

/** `-cos` of the angle between label and output. */
export const cosineProximity: Loss = (graph, label, output) => {
  const [first, second] = [label, output].map((x) => {
    const square = sumOfItem(graph, graph.one('Square', [x]), true)
    return graph.one('RealDiv', [x, graph.one('Sqrt', [atLeast(graph, square, epsilon)])])
  })
  return graph.one('Neg', [sumOfItem(graph, graph.one('Mul', [first!, second!]))])
}

/** Options of {@link huber}. */
export interface HuberOptions {
  /** From which difference on the loss grows in a straight line. Default 1. */
  readonly delta?: number | undefined
}

/** Half the squared difference up to `delta`, then a straight line; the mean of each item (`tf.losses.huberLoss`). */
export const huber =
  ({ delta = 1 }: HuberOptions = {}): Loss =>
  (graph, label, output) => {
    const size = graph.one('Abs', [graph.one('Sub', [output, label])])
    const near = graph.one('Minimum', [size, number(graph, delta)])
    const far = graph.one('Mul', [graph.one('Sub', [size, near]), number(graph, delta)])
    return meanOfItem(graph, graph.one('AddV2', [graph.one('Mul', [graph.one('Square', [near]), number(graph, 0.5)]), far]))
  }
