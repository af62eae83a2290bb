import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  bucketize, dayOfWeek, features, field, fromRows, greaterThan, hashBucket, hourOfDay, identity, label, minMax, oneHot, pipe, run, standardize, vocabulary,
} from '@millrace/core'
import { exportFrozenGraph, exportSavedModel, lower, readModel, type ExportReport, type FrozenReport } from '@millrace/export'
import { describePeer, runPython } from '../support/peer.js'

const script = `
import json, sys
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1

def decode(column):
    values = column['values']
    dtype = {'string': object, 'int64': np.int64, 'int32': np.int32, 'float32': np.float32}[column['dtype']]
    if dtype is object: values = [value.encode() for value in values]
    if dtype is np.int64: values = [int(value) for value in values]
    return np.array(values, dtype=dtype).reshape(column['shape'])

def example(columns, row):
    out = tf.train.Example()
    for name, column in columns.items():
        values = decode(column)[row]
        if column['missing'][row] if 'missing' in column else False: continue
        flat = np.reshape(values, [-1]).tolist()
        feature = out.features.feature[name]
        if column['dtype'] == 'string': feature.bytes_list.value.extend(flat)
        elif column['dtype'] == 'float32': feature.float_list.value.extend(flat)
        else: feature.int64_list.value.extend(flat)
    return out.SerializeToString()

def plain(outputs):
    return {name: {'shape': list(np.shape(value)), 'values': np.reshape(value, [-1]).astype(float).tolist()} for name, value in outputs.items()}

def run_v1(session, signature, feeds):
    inputs = {info['tensor']: feeds[name] for name, info in signature['inputs'].items()}
    return plain(session.run({name: info['tensor'] for name, info in signature['outputs'].items()}, inputs))

def c_loader():
    # What TensorFlow Serving and libtensorflow load with; Python's own loaders are others.
    import ctypes, glob, os
    lib = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(tf.__file__), 'libtensorflow_cc.so*'))[0])
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name in ['TF_NewStatus', 'TF_NewGraph', 'TF_NewSessionOptions', 'TF_LoadSessionFromSavedModel']: getattr(lib, name).restype = pointer
    lib.TF_Message.restype = text
    lib.TF_GetCode.argtypes = lib.TF_Message.argtypes = [pointer]
    lib.TF_LoadSessionFromSavedModel.argtypes = [pointer, pointer, text, ctypes.POINTER(text), ctypes.c_int, pointer, pointer, pointer]
    def load(url):
        status = lib.TF_NewStatus()
        lib.TF_LoadSessionFromSavedModel(lib.TF_NewSessionOptions(), None, url.encode(), (text * 1)(b'serve'), 1, lib.TF_NewGraph(), None, status)
        return [lib.TF_GetCode(status), lib.TF_Message(status).decode()]
    return load

def train(path):
    graph_def = v1.GraphDef()
    with open(path, 'rb') as file: graph_def.ParseFromString(file.read())
    with v1.Session(graph=tf.Graph()) as session:
        tf.import_graph_def(graph_def, name='')
        session.run('initialize')
        x = np.array([[1, 2], [3, -2], [5, 0.5], [0, 4]], np.float32)
        normal = session.run('outputs/normal:0', {'x:0': x})
        before = session.run(['normal/moving_mean/Read/ReadVariableOp:0', 'normal/moving_variance/Read/ReadVariableOp:0'])
        session.run('update', {'x:0': x})
        after = session.run(['normal/moving_mean/Read/ReadVariableOp:0', 'normal/moving_variance/Read/ReadVariableOp:0'])
        ones = np.ones([10000, 2], np.float32)
        dropped = [session.run('outputs/drop:0', {'x:0': ones}) for _ in range(2)]
    return {'normal': normal.tolist(), 'before': np.array(before).tolist(), 'after': np.array(after).tolist(), 'kept': sorted(set(dropped[0].reshape(-1).tolist())),
            'share': float((dropped[0] == 0).mean()), 'same': float((dropped[0] == dropped[1]).mean())}

load_natively = c_loader()
results = {'training': train(sys.argv[1])}
cases = json.load(sys.stdin)
keep = []
for case in cases:
    feeds = {name: decode(column) for name, column in case['columns'].items()}
    rows = len(next(iter(feeds.values())))
    both = {'serving_default': feeds, 'serving_examples': {'examples': np.array([example(case['columns'], row) for row in range(rows)], dtype=object)}}
    result = results[case['name']] = {}

    result['native'] = load_natively(case['url'])
    loaded = tf.saved_model.load(case['url'])
    keep.append((case, loaded, both))
    result['v2 signatures'] = sorted(loaded.signatures)
    result['v2 variables'] = len(loaded.variables)

    with v1.Session(graph=tf.Graph()) as session:
        meta = v1.saved_model.load(session, ['serve'], case['url'])
        signatures = {name: {'inputs': {key: {'tensor': info.name} for key, info in signature.inputs.items()},
                             'outputs': {key: {'tensor': info.name} for key, info in signature.outputs.items()}}
                      for name, signature in meta.signature_def.items() if name in both}
        for name, signature in signatures.items(): result['v1 ' + name] = run_v1(session, signature, both[name])
        saver = v1.train.Saver() if case['report']['variables'] else None
        if saver: result['v1 saved again'] = sorted(name for name, _ in tf.train.list_variables(saver.save(session, case['url'] + '-again')))

    graph_def = v1.GraphDef()
    with open(case['frozen']['url'], 'rb') as file: graph_def.ParseFromString(file.read())
    with v1.Session(graph=tf.Graph()) as session:
        tf.import_graph_def(graph_def, name='')
        if case['frozen'].get('initializer'): session.run(case['frozen']['initializer'])
        for name, signature in case['frozen']['signatures'].items(): result['frozen ' + name] = run_v1(session, signature, both[name])

# Run only when all are loaded: models of one process must not share state.
for case, loaded, both in keep:
    for name, signature in loaded.signatures.items():
        if name in both:
            outputs = signature(**{key: tf.constant(value) for key, value in both[name].items()})
            results[case['name']]['v2 ' + name] = plain({key: value.numpy() for key, value in outputs.items()})
print(json.dumps(results))
`

interface Values {
  readonly shape: readonly number[]
  readonly values: readonly number[]
}
interface Column {
  readonly dtype: 'string' | 'int64' | 'int32' | 'float32'
  readonly shape: readonly number[]
  readonly values: readonly (string | number)[]
  readonly missing?: readonly boolean[]
}
interface Case {
  readonly name: string
  readonly columns: Record<string, Column>
  readonly expected: Record<string, Values>
  url: string
  report: ExportReport
  frozen: FrozenReport
}

const valuesOf = (tensor: tf.Tensor): Values => ({ shape: tensor.shape, values: Array.from(tensor.dataSync()) })

/** Weights that no initializer makes, so that nothing is hidden by zeros and ones. */
const shakeWeights = (model: tf.LayersModel, seed: number): void => {
  model.setWeights(model.getWeights().map((weight, index) => tf.randomUniform(weight.shape, 0.1, 0.9, 'float32', seed + index).sub(0.25).abs().mul(index % 2 === 0 ? 1 : -1).abs()))
}

const predict = (model: tf.LayersModel, inputs: tf.Tensor[]): Record<string, Values> => {
  const outputs = model.predict(inputs) as tf.Tensor | tf.Tensor[]
  return Object.fromEntries((Array.isArray(outputs) ? outputs : [outputs]).map((output, index) => [model.outputNames[index]!, valuesOf(output)]))
}

const columnsOf = (model: tf.LayersModel, inputs: tf.Tensor[]): Record<string, Column> =>
  Object.fromEntries(inputs.map((input, index) => [model.inputNames[index]!, { dtype: input.dtype as 'float32', ...valuesOf(input) }]))

const random = (shape: number[], seed: number): tf.Tensor => tf.randomUniform(shape, -3, 3, 'float32', seed)

const everyActivation = (): tf.LayersModel => {
  const names = [
    'linear', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'hardSigmoid', 'softmax', 'softplus', 'softsign', 'tanh', 'swish', 'mish', 'gelu', 'gelu_new', 'logSoftmax',
  ]
  const x = tf.input({ shape: [3], name: 'x' })
  const outputs = names.map((activation) => tf.layers.dense({ units: 4, activation: activation as 'relu', name: `dense_${activation}` }).apply(x) as tf.SymbolicTensor)
  const more = [
    tf.layers.activation({ activation: 'tanh', name: 'layer_activation' }), tf.layers.reLU({ maxValue: 1, name: 'layer_relu' }), tf.layers.leakyReLU({ alpha: 0.1, name: 'layer_leaky' }),
    tf.layers.elu({ name: 'layer_elu' }), tf.layers.prelu({ name: 'layer_prelu' }), tf.layers.thresholdedReLU({ theta: 0.5, name: 'layer_thresholded' }), tf.layers.softmax({ axis: -1, name: 'layer_softmax' }),
  ].map((layer) => layer.apply(x) as tf.SymbolicTensor)
  return tf.model({ inputs: x, outputs: [...outputs, ...more] })
}

const everyShape = (): tf.LayersModel => {
  const left = tf.input({ shape: [4, 3], name: 'left' })
  const right = tf.input({ shape: [4, 3], name: 'right' })
  const ids = tf.input({ shape: [2], name: 'ids', dtype: 'int32' })
  const shared = tf.layers.dense({ units: 5, name: 'shared', useBias: false })
  const [a, b] = [shared.apply(left), shared.apply(right)] as [tf.SymbolicTensor, tf.SymbolicTensor]
  const inner = tf.sequential({ name: 'inner', layers: [tf.layers.dense({ units: 5, inputShape: [4, 5], activation: 'tanh' }), tf.layers.dropout({ rate: 0.5 })] })
  const merged = [
    tf.layers.add().apply([a, b]), tf.layers.multiply().apply([a, b]), tf.layers.maximum().apply([a, b]), tf.layers.minimum().apply([a, b]),
    tf.layers.average().apply([a, b]), inner.apply(a), inner.apply(b),
  ] as tf.SymbolicTensor[]
  const wide = tf.layers.concatenate({ axis: -1 }).apply(merged) as tf.SymbolicTensor
  const normed = tf.layers.batchNormalization({ name: 'norm' }).apply(wide) as tf.SymbolicTensor
  const turned = tf.layers.permute({ dims: [2, 1] }).apply(normed) as tf.SymbolicTensor
  const reshaped = tf.layers.reshape({ targetShape: [7, 20] }).apply(turned) as tf.SymbolicTensor
  const open = tf.layers.reshape({ targetShape: [7, -1], name: 'open' }).apply(turned) as tf.SymbolicTensor
  const flat = tf.layers.flatten().apply(reshaped) as tf.SymbolicTensor
  const embedded = tf.layers.flatten({ name: 'flat_ids' }).apply(tf.layers.embedding({ inputDim: 6, outputDim: 3, maskZero: true, name: 'embedding' }).apply(ids) as tf.SymbolicTensor) as tf.SymbolicTensor
  const first = tf.layers.concatenate({ axis: 1, name: 'rows' }).apply([a, b]) as tf.SymbolicTensor
  const all = tf.layers.concatenate({ name: 'all' }).apply([flat, embedded]) as tf.SymbolicTensor
  const noBias = tf.layers.batchNormalization({ center: false, name: 'no_beta' }).apply(all) as tf.SymbolicTensor
  return tf.model({ inputs: [left, right, ids], outputs: [noBias, first, open, tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'save' }).apply(all) as tf.SymbolicTensor] })
}

/** A model lowered for training, with the values of its variables beside it, and what TensorFlow.js makes of a step. */
const trainingCase = async (path: string): Promise<{ normal: unknown; after: unknown }> => {
  const input = tf.input({ shape: [2], name: 'x' })
  const layer = tf.layers.batchNormalization({ name: 'normal', momentum: 0.9 })
  const outputs = [layer.apply(input), tf.layers.dropout({ name: 'drop', rate: 0.25, seed: 3 }).apply(input)] as tf.SymbolicTensor[]
  const model = tf.model({ inputs: input, outputs })
  shakeWeights(model, 11)
  const { graph, variables, updates } = lower(await readModel(model), { mode: 'training', variables: 'variables' })
  const assigns = variables.map(({ weight, handle }) => graph.add('AssignVariableOp', [handle, graph.constant(weight.value!)]))
  graph.add('NoOp', [], {}, { name: 'initialize', control: assigns })
  graph.add('NoOp', [], {}, { name: 'update', control: updates })
  await writeFile(path, graph.encode())
  const x = tf.tensor2d([[1, 2], [3, -2], [5, 0.5], [0, 4]])
  const normal = (layer.apply(x, { training: true }) as tf.Tensor).arraySync()
  return { normal, after: layer.getWeights().slice(2).map((weight) => weight.arraySync()) }
}

const flight = {
  origin: field.utf8(),
  carrier: field.dictionary(),
  flight: field.int64(),
  date: field.timestamp(),
  instant: field.timestamp({ unit: 'ns' }),
  day: field.date(),
  distance: field.nullable(field.float32()),
  price: field.float64(),
  stops: field.int32(),
  night: field.bool(),
  delay: field.int32(),
}
type Flight = typeof flight
const row = (origin: string, flightNumber: bigint, date: string, distance: number | null, stops: number, price: number) =>
  ({ origin, carrier: origin.slice(0, 1), flight: flightNumber, date: new Date(date), instant: new Date(date), day: new Date(date.slice(0, 10)), distance, price, stops, night: stops > 1, delay: stops * 10 })
const train = fromRows<Flight>(flight, [
  row('SFO', 12n, '2001-01-01T00:47:00Z', 100, 0, 12.5), row('JFK', -7n, '2001-01-02T23:59:59Z', 300, 1, 80), row('SFO', 12n, '1969-12-31T23:00:00Z', null, 2, 0.1),
  row('Zürich', 2n ** 60n, '2001-01-04T12:00:00Z', 200, 3, 1e6), row('naïve 日本', 0n, '1900-02-28T05:00:00Z', 250, 4, -4), row('LAX', 1n, '2001-01-06T01:00:00Z', 150, 1, 7),
])
const serve = [
  row('SFO', 12n, '2024-02-29T13:00:00Z', 120.5, 0, 33.3), row('', 13n, '1969-12-31T23:59:59Z', 300, 1, 80), row('unknown', -1n, '1970-01-01T00:00:00Z', null, 9, -1e3),
  row('Zürich', 2n ** 60n, '2001-01-04T12:34:56Z', 1e6, 3, 1e6), row('naïve 日本', 0n, '1899-12-31T05:00:00Z', -5, -2, 0), row(' SFO', 7n, '2001-01-06T01:00:00Z', 150, 12, 12.5), row('日本', 99n, '2001-01-07T22:00:00Z', 200, 2, 5),
]

const spec = features({
  origin: vocabulary({ oovBuckets: 3, maskToken: '' }),
  plain: vocabulary({ from: 'origin', topK: 2 }),
  carrier: vocabulary({ oovBuckets: 2 }),
  flight: vocabulary({ oovBuckets: 5 }),
  none_at_all: vocabulary({ from: 'origin', minFrequency: 100, oovBuckets: 4 }),
  hashed: hashBucket({ from: 'origin', buckets: 11 }),
  hashed_flight: hashBucket({ from: 'flight', buckets: 7 }),
  hour: hourOfDay({ from: 'date' }),
  hour_ns: hourOfDay({ from: 'instant' }),
  weekday: dayOfWeek({ from: 'date' }),
  day: dayOfWeek(),
  distance: standardize(),
  price: minMax(),
  far: bucketize({ from: 'price', boundaries: [0, 12.5, 80] }),
  quantiles: bucketize({ from: 'price', buckets: 3 }),
  stops: identity(),
  stops_scaled: standardize({ from: 'stops' }),
  raw_price: identity({ from: 'price' }),
  night: identity(),
  shape: oneHot(vocabulary({ from: 'origin', topK: 3, oovBuckets: 2 })),
  stops_hot: oneHot({ from: 'stops', depth: 4 }),
  many_stops: greaterThan(1, { from: 'stops' }),
  late: label(greaterThan(15, { from: 'delay' })),
})

const rawColumns = (rows: readonly ReturnType<typeof row>[]): Record<string, Column> => {
  const column = (dtype: Column['dtype'], values: (string | number)[], missing?: boolean[]): Column => ({ dtype, shape: [rows.length], values, ...(missing === undefined ? {} : { missing }) })
  return {
    origin: column('string', rows.map(({ origin }) => origin)),
    carrier: column('string', rows.map(({ carrier }) => carrier)),
    // As text, since JSON's numbers are not 64-bit integers.
    flight: column('int64', rows.map(({ flight: number }) => String(number))),
    date: column('int64', rows.map(({ date }) => date.getTime())),
    instant: column('int64', rows.map(({ date }) => String(BigInt(date.getTime()) * 1_000_000n))),
    day: column('int64', rows.map(({ day }) => day.getTime() / 86_400_000)),
    distance: column('float32', rows.map(({ distance }) => distance ?? 200), rows.map(({ distance }) => distance === null)),
    price: column('float32', rows.map(({ price }) => price)),
    stops: column('int64', rows.map(({ stops }) => stops)),
    night: column('int64', rows.map(({ night }) => Number(night))),
  }
}

describePeer('exported models in TensorFlow', 'tensorflow', () => {
  let folder = ''
  const cases: Case[] = []
  let results: Record<string, Record<string, unknown>>
  let training: Awaited<ReturnType<typeof trainingCase>>

  const addCase = async (name: string, model: tf.LayersModel, columns: Record<string, Column>, expected: Record<string, Values>, inputs?: Parameters<typeof exportSavedModel>[2]): Promise<void> => {
    const url = join(folder, name, '1')
    const report = await run(exportSavedModel(model, url, inputs))
    const frozen = await run(exportFrozenGraph(model, join(folder, `${name}.pb`), { inputs: inputs?.inputs }))
    cases.push({ name, columns, expected, url, report, frozen })
  }
  const addPlain = async (name: string, model: tf.LayersModel, inputs: tf.Tensor[]): Promise<void> => {
    shakeWeights(model, cases.length * 100 + 1)
    await addCase(name, model, columnsOf(model, inputs), predict(model, inputs))
  }

  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-saved-model-'))
    await addPlain('activations', everyActivation(), [random([6, 3], 1)])
    await addPlain('shapes', everyShape(), [random([3, 4, 3], 2), random([3, 4, 3], 3), tf.tensor2d([[0, 5], [1, 2], [3, 3]], [3, 2], 'int32')])
    // TensorFlow.js' cpu kernel normalises along the last axis whatever the axis (it does not broadcast), so the values come from ops.
    const across = tf.layers.batchNormalization({ axis: 1, scale: false, epsilon: 0.01, inputShape: [2, 3], name: 'across' })
    const acrossModel = tf.sequential({ layers: [across] })
    shakeWeights(acrossModel, 5)
    const x = random([4, 2, 3], 9)
    const [beta, mean, variance] = across.getWeights().map((weight) => weight.reshape([1, 2, 1])) as [tf.Tensor, tf.Tensor, tf.Tensor]
    const normal = x.sub(mean).div(variance.add(0.01).sqrt()).add(beta)
    await addCase('batch normalization across', acrossModel, columnsOf(acrossModel, [x]), { across: valuesOf(normal) })
    const sequential = () =>
      tf.sequential({ layers: [tf.layers.embedding({ inputDim: 9, outputDim: 4, inputLength: 3 }), tf.layers.flatten(), tf.layers.dropout({ rate: 0.2 }), tf.layers.dense({ units: 2, activation: 'softmax' })] })
    await addPlain('sequential', sequential(), [tf.tensor2d([[0, 1, 8], [2, 2, 2]])])

    const anyLength = tf.sequential({ layers: [tf.layers.embedding({ inputDim: 5, outputDim: 2 }), tf.layers.dense({ units: 3, activation: 'tanh' })] })
    await addPlain('any length', anyLength, [tf.tensor2d([[0, 1, 4], [2, 2, 3]])])

    const inputs = await run(spec.fit(train))
    const batches = []
    for await (const batch of pipe(fromRows<Flight>(flight, serve), inputs.apply)) batches.push(batch)
    const transformed = batches[0]!
    const columnTensor = (name: keyof typeof transformed.schema): tf.Tensor =>
      tf.tensor2d(Array.from({ length: transformed.numRows }, (_, index) => [(transformed.row(index) as Record<string, unknown>)[name]].flat() as number[]))
    const names = Object.keys(inputs.features).filter((name) => name !== 'late') as (keyof typeof transformed.schema)[]
    const tensors = names.map(columnTensor)

    // Every feature goes straight to an output, so that each value is compared, and there are no variables at all.
    const ports = names.map((name, index) => tf.input({ name, shape: tensors[index]!.shape.slice(1) as number[] }))
    const through = tf.model({ inputs: ports, outputs: [tf.layers.concatenate({ name: 'features' }).apply(ports) as tf.SymbolicTensor] })
    await addCase('features', through, rawColumns(serve), predict(through, tensors), { inputs })

    const someNames = ['origin', 'hour', 'distance', 'shape'] as const
    const some = someNames.map((name) => tensors[names.indexOf(name)]!)
    const somePorts = someNames.map((name, index) => tf.input({ name, shape: some[index]!.shape.slice(1) as number[] }))
    const embedded = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: inputs.cardinality('origin'), outputDim: 3 }).apply(somePorts[0]!) as tf.SymbolicTensor) as tf.SymbolicTensor
    const hour = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: 24, outputDim: 2 }).apply(somePorts[1]!) as tf.SymbolicTensor) as tf.SymbolicTensor
    const joined = tf.layers.concatenate().apply([embedded, hour, somePorts[2]!, somePorts[3]!]) as tf.SymbolicTensor
    const flights = tf.model({ inputs: somePorts, outputs: [tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'late' }).apply(joined) as tf.SymbolicTensor] })
    shakeWeights(flights, 7)
    const { origin, date, distance } = rawColumns(serve)
    await addCase('flights', flights, { origin: origin!, date: date!, distance: distance! }, predict(flights, some), { inputs })

    // The same model with other weights, under the same names of variables, in the same Python process.
    await addPlain('sequential again', sequential(), [tf.tensor2d([[0, 1, 8], [2, 2, 2]])])
    training = await trainingCase(join(folder, 'training.pb'))
    results = JSON.parse(await runPython(script, { input: JSON.stringify(cases), args: [join(folder, 'training.pb')] })) as typeof results
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const ways = ['v2 serving_default', 'v2 serving_examples', 'v1 serving_default', 'v1 serving_examples', 'frozen serving_default', 'frozen serving_examples']
  const names = ['activations', 'shapes', 'any length', 'batch normalization across', 'sequential', 'features', 'flights', 'sequential again']

  const hasExamples = (name: string): boolean => name !== 'any length'
  const runs = names.flatMap((name) => ways.filter((way) => hasExamples(name) || !way.includes('examples')).map((way) => [name, way] as const))
  test.each(runs)('%s, %s', (name, way) => {
    const { expected } = cases.find((one) => one.name === name)!
    const actual = results[name]![way] as Record<string, Values>
    expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort())
    for (const [output, { shape, values }] of Object.entries(expected)) {
      expect(actual[output]!.shape).toEqual(shape)
      values.forEach((value, index) => {
        const theirs = actual[output]!.values[index]!
        expect(Math.abs(theirs - value), `${output}[${index}]: ${theirs} is not ${value}`).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)))
      })
    }
  })

  test('what TensorFlow sees beside the values', () => {
    for (const { name, report } of cases) {
      expect(results[name]!['v2 signatures']).toEqual(hasExamples(name) ? ['serving_default', 'serving_examples'] : ['serving_default'])
      expect(results[name]!['v2 variables']).toBe(report.variables)
      expect(results[name]!['native']).toEqual([0, ''])
      if (report.variables > 0) expect((results[name]!['v1 saved again'] as string[]).length).toBe(report.variables)
    }
  })

  test('a graph lowered for training', () => {
    const { normal, before, after, kept, share, same } = results['training'] as { normal: number[][]; before: number[][]; after: number[][]; kept: number[]; share: number; same: number }
    const close = (actual: number[][], expected: number[][]): void =>
      actual.forEach((row, i) => row.forEach((value, j) => expect(value).toBeCloseTo(expected[i]![j]!, 5)))
    close(normal, training.normal as number[][])
    close(after, training.after as number[][])
    expect(after).not.toEqual(before)
    expect(kept).toEqual([0, Math.fround(1 / 0.75)])
    expect(share).toBeCloseTo(0.25, 1)
    // Two independent masks agree on 0.75² + 0.25² of the elements.
    expect(same).toBeCloseTo(0.625, 1)
  })

  test('the folder and the report', async () => {
    const { url, report, frozen } = cases.find(({ name }) => name === 'flights')!
    expect((await readdir(url)).sort()).toEqual(['assets', 'saved_model.pb', 'variables'])
    expect((await readdir(join(url, 'assets'))).sort()).toEqual(['origin.txt', 'shape.txt'])
    expect(await readFile(join(url, 'assets', 'origin.txt'), 'utf8')).toBe('SFO\nnaïve 日本\nZürich\nLAX\nJFK\n')
    expect(report).toMatchObject({ variables: 4, vocabularies: { origin: 5, shape: 3 }, notes: [] })
    expect(report.signatures['serving_default']?.inputs).toMatchObject({
      origin: { dtype: 'string', shape: [null] }, date: { dtype: 'int64', shape: [null] }, distance: { dtype: 'float32', shape: [null] },
    })
    expect(report.signatures['serving_examples']?.inputs).toMatchObject({ examples: { dtype: 'string', shape: [null] } })
    expect(report.signatures['serving_default']?.outputs).toMatchObject({ late: { dtype: 'float32', shape: [null, 1] } })
    expect(frozen.initializer).toBe('initialize_tables')
  })
})
