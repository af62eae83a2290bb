import * as tf from '@tensorflow/tfjs'
import { describeModel, Graph, ModelLowering, tensorValue, type Dim, type DType, type Tensor } from '@millrace/export'
import { gradients, isIndexedSlices } from '@millrace/distributed'

/** Compares the gradients of all cases with `tf.gradients`, in one process and one step. */
export const script = `
import base64, json, sys
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1

given = json.load(sys.stdin)
graph_def = v1.GraphDef()
graph_def.ParseFromString(base64.b64decode(given['graph']))
report = {}
config = v1.ConfigProto(graph_options=v1.GraphOptions(optimizer_options=v1.OptimizerOptions(opt_level=-1)))
config.graph_options.rewrite_options.disable_meta_optimizer = True
with v1.Session(graph=tf.Graph(), config=config) as session:
    tf.import_graph_def(graph_def, name='')
    tensor = session.graph.get_tensor_by_name
    feeds, fetches = {}, []
    for case in given['cases']:
        feeds.update({name: np.array(value['data'], dtype=value['dtype']).reshape(value['shape']) for name, value in case['feeds'].items()})
        theirs = tf.gradients([tensor(y) for y in case['ys']], [tensor(x) for x in case['xs']], [tensor(seed) for seed in case['seeds']] or None)
        fetches.append([pair for pair in zip(case['ours'], theirs) if None not in pair])
        report[case['name']] = [{'x': x, 'ours': ours and ('slices' if 'indices' in ours else 'dense'),
                                 'theirs': None if their is None else 'slices' if isinstance(their, tf.IndexedSlices) else 'dense'}
                                for x, ours, their in zip(case['xs'], case['ours'], theirs)]
    session.run(given['assign'])
    # All cases in one step: a step of its own for each takes ten times as long.
    fetched = session.run(fetches, feeds)

def dense(values, indices, rows):
    sums = np.zeros((rows,) + values.shape[1:], values.dtype)
    np.add.at(sums, indices, values)
    return sums

for case, pairs in zip(given['cases'], fetched):
    entries = [entry for entry in report[case['name']] if entry['ours'] and entry['theirs']]
    for entry, (ours, their) in zip(entries, pairs):
        indices = ours.get('indices')
        if indices is not None: entry['duplicates'] = len(set(indices.tolist())) < len(indices)
        if entry['theirs'] == 'slices':
            rows = int(their.dense_shape[0])
            ours = ours['values'] if indices is None else dense(ours['values'], indices, rows)
            their = dense(their.values, their.indices, rows)
        else:
            ours = ours['values']
        largest = float(np.max(np.abs(their)))
        entry.update(shapes=[list(ours.shape), list(their.shape)], largest=largest)
        if ours.shape == their.shape: entry['error'] = float(np.max(np.abs(ours - their))) / (largest or 1.0)
print(json.dumps(report))
`

/** Numbers of `mulberry32`, so that every run sees the same; each case begins anew, so that none depends on those before it. */
let state = 0
const random = (): number => {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}
const seedBy = (name: string): void => {
  state = [...name].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 0x01000193), 99)
}

interface Fed {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

interface Case {
  readonly name: string
  readonly feeds: Record<string, Fed>
  readonly ys: readonly string[]
  readonly xs: readonly string[]
  readonly seeds: readonly string[]
  readonly ours: readonly ({ readonly values: string; readonly indices?: string } | null)[]
}

export interface Entry {
  readonly x: string
  readonly ours: string | null
  readonly theirs: string | null
  readonly shapes?: readonly [readonly number[], readonly number[]]
  readonly largest?: number
  readonly error?: number
  readonly duplicates?: boolean
}

export const graph = new Graph()
export const cases: Case[] = []
export const assign: string[] = []
/** What is fed in the case in the making. */
let feeds: Record<string, Fed> = {}

const count = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1)

export interface InputOptions {
  /** Static shape, where it says less than what is fed. */
  readonly known?: readonly Dim[] | 'not even the rank' | undefined
  readonly from?: number
  readonly to?: number
  readonly dtype?: DType
}

/** A placeholder that is fed random numbers, or those given. */
export const input = (shape: readonly number[], { known, from = -2, to = 2, dtype = 'float32' }: InputOptions = {}, values?: readonly number[]): Tensor => {
  const x = graph.placeholder('x', dtype, known === 'not even the rank' ? undefined : (known ?? shape))
  const drawn = values ?? Array.from({ length: count(shape) }, () => from + (to - from) * random())
  feeds[x.name] = { dtype, shape, data: drawn }
  return x
}

export const inputOf = (options: InputOptions) => (shape: readonly number[]) => input(shape, options)

export const variable = (shape: readonly number[]): Tensor => {
  const handle = graph.one('VarHandleOp', [], { dtype: 'float32', shape, shared_name: `variable${assign.length}` })
  const value = tensorValue('float32', shape, Array.from({ length: count(shape) }, () => random() - 0.5))
  assign.push(graph.add('AssignVariableOp', [handle, graph.constant(value)]).name)
  return handle
}

export const ints = (...values: number[]): Tensor => graph.vector('int32', values)

/** Differentiates y by the xs with a random seed; `seedShape` is the shape of y when it runs. */
export const check = (name: string, build: () => { y: Tensor | readonly Tensor[]; xs: readonly Tensor[]; seedShape?: readonly number[] }): void => {
  graph.scope(name.replace(/[^A-Za-z0-9]/g, '_'), () => {
    feeds = {}
    seedBy(name)
    const { y, xs, seedShape } = build()
    const ys = 'node' in y ? [y] : y
    const seeds = seedShape === undefined ? undefined : [input(seedShape)]
    const results = gradients(graph, ys, xs, { seeds })
    const names = (tensors: readonly Tensor[]): string[] => tensors.map((tensor) => tensor.name)
    const ours = results.map((result) => {
      if (result === undefined) return null
      return isIndexedSlices(result) ? { values: result.values.name, indices: result.indices.name } : { values: result.name }
    })
    cases.push({ name, feeds, ys: names(ys), xs: names(xs), seeds: names(seeds ?? []), ours })
  })
}

/** A model as it is lowered for training, differentiated by all its variables. */
export const checkModel = (name: string, shape: readonly number[], layers: (x: tf.SymbolicTensor) => tf.SymbolicTensor, options: InputOptions = {}): void => {
  check(name, () => {
    const x = tf.input({ shape: [...shape], name: 'x' })
    const model = tf.model({ inputs: x, outputs: layers(x) })
    const lowering = new ModelLowering(graph, describeModel(model), { mode: 'training', variables: 'variables' })
    const given = input([6, ...shape], { ...options, known: [null, ...shape] })
    const [y] = Object.values(lowering.apply({ x: given })) as [Tensor]
    const handles = lowering.variables.map(({ weight, handle }) => {
      const value = tensorValue('float32', weight.shape, Array.from({ length: count(weight.shape) }, () => random() - 0.4))
      assign.push(graph.add('AssignVariableOp', [handle, graph.constant(value)]).name)
      return { handle, trainable: weight.trainable }
    })
    return { y, xs: handles.filter(({ trainable }) => trainable).map(({ handle }) => handle), seedShape: [6, ...(model.outputShape as number[]).slice(1)] }
  })
}
