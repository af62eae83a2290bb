import { failure } from '@millrace/core'
import type { Graph, InitializerDescription, LoweredVariable, Tensor } from '@millrace/export'

type Config = InitializerDescription['config']

/** What an initializer has to work with. */
interface InitialContext {
  readonly graph: Graph
  readonly config: Config
  readonly dtype: 'float32'
  /** Of what is made: the variable, or the part of one. */
  readonly shape: readonly number[]
  /** Of the variable as a whole. */
  readonly whole: readonly number[]
  /** Both 0 would give other numbers each time. */
  readonly seeds: { readonly seed: number; readonly seed2: number }
}

const vector = ({ graph }: InitialContext, values: readonly number[]): Tensor => graph.vector('int32', values, 'shape')

const fill = (context: InitialContext, value: number): Tensor =>
  context.graph.one('Fill', [vector(context, context.shape), context.graph.scalar(context.dtype, value)])

/** `x * scale + offset` */
const scaled = ({ graph, dtype }: InitialContext, x: Tensor, scale: number, offset: number): Tensor => {
  const product = graph.one('Mul', [x, graph.scalar(dtype, scale)])
  return offset === 0 ? product : graph.one('AddV2', [product, graph.scalar(dtype, offset)])
}

const draw = (context: InitialContext, op: 'RandomUniform' | 'RandomStandardNormal' | 'TruncatedNormal', shape = context.shape): Tensor =>
  context.graph.one(op, [vector(context, shape)], { dtype: context.dtype, ...context.seeds })

const uniform = (context: InitialContext, least: number, most: number): Tensor => scaled(context, draw(context, 'RandomUniform'), most - least, least)

const product = (dims: readonly number[]): number => dims.reduce((total, dim) => total * dim, 1)

/** How many values go into one of the result, and how many results one goes into; of the whole variable. */
const fans = (shape: readonly number[]): readonly [number, number] => {
  const [rows, columns] = shape.slice(-2) as [number?, number?]
  if (rows === undefined || columns === undefined || shape.length > 5) return [Math.sqrt(product(shape)), Math.sqrt(product(shape))]
  const field = product(shape.slice(0, -2))
  return [rows * field, columns * field]
}

const varianceScaling = (context: InitialContext): Tensor => {
  const { scale, mode, distribution } = context.config
  const [into, outOf] = fans(context.whole)
  const fan = mode === 'fanIn' ? into : mode === 'fanOut' ? outOf : (into + outOf) / 2
  const variance = Number(scale) / Math.max(1, fan)
  if (distribution === 'uniform') return uniform(context, -Math.sqrt(3 * variance), Math.sqrt(3 * variance))
  return scaled(context, draw(context, 'TruncatedNormal'), Math.sqrt(variance), 0)
}

/** Q of a random matrix, each column with the sign that makes all rotations as likely. */
const orthogonal = (context: InitialContext): Tensor => {
  const { graph, shape, config } = context
  const columns = shape.at(-1) as number
  const rows = product(shape.slice(0, -1))
  const matrix = draw(context, 'RandomStandardNormal', [Math.max(rows, columns), Math.min(rows, columns)])
  const [q, r] = graph.add('Qr', [matrix]).outputs as [Tensor, Tensor]
  const turned = graph.one('Mul', [q, graph.one('Sign', [graph.one('DiagPart', [r])])])
  const flat = rows < columns ? graph.one('Transpose', [turned, graph.vector('int32', [1, 0], 'perm')]) : turned
  return scaled(context, graph.one('Reshape', [flat, vector(context, shape)]), Number(config['gain']), 0)
}

const identity = (context: InitialContext): Tensor =>
  context.graph.one('Diag', [context.graph.one('Fill', [vector(context, context.shape.slice(0, 1)), context.graph.scalar(context.dtype, Number(context.config['gain']))])])

/** Of the class names that TensorFlow.js gives them; glorot, he and lecun are all `VarianceScaling`. */
const initializers: Readonly<Record<string, (context: InitialContext) => Tensor>> = {
  Zeros: (context) => fill(context, 0),
  Ones: (context) => fill(context, 1),
  Constant: (context) => fill(context, Number(context.config['value'])),
  RandomUniform: (context) => uniform(context, Number(context.config['minval']), Number(context.config['maxval'])),
  RandomNormal: (context) => scaled(context, draw(context, 'RandomStandardNormal'), Number(context.config['stddev']), Number(context.config['mean'])),
  TruncatedNormal: (context) => scaled(context, draw(context, 'TruncatedNormal'), Number(context.config['stddev']), Number(context.config['mean'])),
  VarianceScaling: varianceScaling,
  Orthogonal: orthogonal,
  Identity: identity,
}

/** Make a whole matrix or nothing. */
const wholeOnly: readonly string[] = ['Orthogonal', 'Identity']

/**
 * Adds what makes a variable's first value as its layer is configured, in the distribution that TensorFlow.js draws from (Keras's
 * truncated normals of `VarianceScaling` are 1.14 times as wide). Numbers are the same in each run of a new session, and differ from
 * those of TensorFlow.js. Parts of a variable are drawn each by itself, as wide as the whole asks for.
 *
 * @param ordinal - the variable's number in the graph, which makes its numbers differ from those of others
 * @throws `Model` for an initializer that has no graph
 */
export const initialValue = (graph: Graph, { weight, slice }: LoweredVariable, initializer: InitializerDescription, ordinal: number): Tensor => {
  const { className, config } = initializer
  const make = Object.hasOwn(initializers, className) ? initializers[className] : undefined
  if (make === undefined || weight.dtype !== 'float32') {
    throw failure({
      tag: 'Model', code: 'INITIALIZER_UNSUPPORTED', problem: `the initializer ${className} of "${weight.name}" (${weight.dtype}) has no graph`,
      remedy: `Initializers that have one, for float32: ${Object.keys(initializers).join(', ')}.`,
    })
  }
  if (slice !== undefined && wholeOnly.includes(className)) {
    throw failure({ tag: 'Model', code: 'INITIALIZER_PARTS', problem: `the initializer ${className} makes "${slice.name}" as a whole, but it is in parts`, remedy: 'Take another initializer, or leave the variable whole.' })
  }
  const seed = Number(config['seed'] ?? 1)
  return make({ graph, config, dtype: weight.dtype, shape: weight.shape, whole: slice?.shape ?? weight.shape, seeds: { seed, seed2: ordinal + 1 } })
}
