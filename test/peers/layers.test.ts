import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '@millrace/core'
import { describeModel, exportFrozenGraph, exportSavedModel, loadSavedModel, lower } from '@millrace/export'
import { describePeer, runPython } from '../support/peer.js'
import { layerCases, maskedModel, stateModel, type LayerCase } from './layers/layer-list.js'

const script = `
import json, sys
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1

def plain(outputs): return {name: {'shape': list(np.shape(value)), 'values': np.reshape(value, [-1]).astype(float).tolist()} for name, value in outputs.items()}

report = {}
for case in json.load(sys.stdin):
    feeds = {name: np.array(value['values'], dtype=np.float32).reshape(value['shape']) for name, value in case['inputs'].items()}
    loaded = tf.saved_model.load(case['url'])
    saved = loaded.signatures['serving_default'](**{name: tf.constant(value) for name, value in feeds.items()})
    with v1.Session(graph=tf.Graph()) as session:
        graph_def = v1.GraphDef()
        with open(case['frozen'], 'rb') as file: graph_def.ParseFromString(file.read())
        tf.import_graph_def(graph_def, name='')
        frozen = session.run(case['outputs'], {case['feeds'][name]: value for name, value in feeds.items()})
    report[case['name']] = {'SavedModel': plain({name: value.numpy() for name, value in saved.items()}), 'frozen graph': plain(frozen)}
print(json.dumps(report))
`

interface Values {
  readonly shape: readonly number[]
  readonly values: readonly number[]
}
type Outputs = Record<string, Values>

interface Case {
  readonly name: string
  readonly url: string
  readonly frozen: string
  readonly inputs: Outputs
  readonly feeds: Record<string, string>
  readonly outputs: Record<string, string>
  readonly expected: Outputs
}

const BATCH = 3

const valuesOf = (tensor: tf.Tensor): Values => ({ shape: tensor.shape, values: Array.from(tensor.dataSync()) })

/** Weights that no initializer makes. */
const shakeWeights = (model: tf.LayersModel): void => {
  model.setWeights(model.getWeights().map((weight, index) => tf.randomUniform(weight.shape, -0.6, 0.6, 'float32', index + 1)))
}

/** All layers that take items of one shape, each an output. */
const modelOf = (shape: readonly number[], cases: readonly LayerCase[]): tf.LayersModel => {
  const x = tf.input({ shape: [...shape], name: 'x' })
  return tf.model({ inputs: x, outputs: cases.map(({ make }) => make().apply(x) as tf.SymbolicTensor) })
}

const byShape = new Map<string, LayerCase[]>()
for (const one of layerCases) byShape.set(one.shape.join(' × '), [...(byShape.get(one.shape.join(' × ')) ?? []), one])

/** Some steps masked: at the end, in the middle, at the start, all of a sequence. */
const ids = tf.tensor2d([[3, 1, 6, 0, 0], [0, 2, 0, 5, 1], [0, 0, 0, 0, 0]])
const steps = tf.randomUniform([BATCH, 5, 3], -1, 1, 'float32', 5).mul(tf.tensor3d([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1], [1, 0, 1, 0, 1]].flat(), [BATCH, 5, 1])).add(0.5)

describePeer('layers of images and sequences', 'tensorflow', () => {
  let folder = ''
  const cases: Case[] = []
  let report: Record<string, Record<string, Outputs>>

  const add = async (name: string, model: tf.LayersModel, inputs: readonly tf.Tensor[]): Promise<void> => {
    shakeWeights(model)
    const url = join(folder, String(cases.length), '1')
    const frozen = join(folder, `${cases.length}.pb`)
    await run(exportSavedModel(model, url))
    const { signatures } = await run(exportFrozenGraph(model, frozen))
    const { inputs: feeds, outputs } = signatures['serving_default']!
    const tensorNames = (ports: Readonly<Record<string, { readonly tensor: string }>>) => Object.fromEntries(Object.entries(ports).map(([port, { tensor }]) => [port, tensor]))
    const predicted = [model.predict([...inputs])].flat() as tf.Tensor[]
    cases.push({
      name, url, frozen, feeds: tensorNames(feeds), outputs: tensorNames(outputs),
      inputs: Object.fromEntries(inputs.map((input, index) => [model.inputNames[index]!, valuesOf(input)])),
      expected: Object.fromEntries(Object.keys(outputs).map((output, index) => [output, valuesOf(predicted[index]!)])),
    })
  }

  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-layers-'))
    for (const [shape, some] of byShape) await add(shape, modelOf(some[0]!.shape, some), [tf.randomUniform([BATCH, ...some[0]!.shape], -1, 1, 'float32', 3)])
    await add('masks', maskedModel(), [ids, steps])
    await add('states', stateModel(), [tf.randomUniform([BATCH, 4, 3], -1, 1, 'float32', 7), tf.randomUniform([BATCH, 2, 3], -1, 1, 'float32', 8)])
    report = JSON.parse(await runPython(script, { input: JSON.stringify(cases) })) as typeof report
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const close = (actual: Outputs, expected: Outputs): void => {
    expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort())
    for (const [output, { shape, values }] of Object.entries(expected)) {
      expect(actual[output]!.shape, output).toEqual(shape)
      values.forEach((value, index) => {
        const theirs = actual[output]!.values[index]!
        expect(Math.abs(theirs - value), `${output}[${index}]: ${theirs} is not ${value}`).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)))
      })
    }
  }

  const names = [...byShape.keys(), 'masks', 'states']
  test.each(names.flatMap((name) => [[name, 'SavedModel'], [name, 'frozen graph']] as const))('%s, %s in TensorFlow', (name, way) => {
    close(report[name]![way]!, cases.find((one) => one.name === name)!.expected)
  })

  test.each(names)('%s, SavedModel without TensorFlow', async (name) => {
    const { url, inputs, expected } = cases.find((one) => one.name === name)!
    const predictor = await run(loadSavedModel(url, { runtime: 'javascript' }))
    try {
      const predicted = await run(predictor.predict(Object.fromEntries(Object.entries(inputs).map(([input, { shape, values }]) => [input, { shape, values: Float32Array.from(values) }]))))
      close(Object.fromEntries(Object.entries(predicted).map(([output, { shape, values }]) => [output, { shape, values: Array.from(values as Float32Array) }])), expected)
    } finally {
      predictor.dispose()
    }
  })

  test('masks change what is compared', () => {
    const { expected } = cases.find(({ name }) => name === 'masks')!
    const [first] = Object.values(expected)
    // All of the last sequence is masked, so that its state stays as it was.
    expect(first!.values.slice(-3)).toEqual([0, 0, 0])
    expect(first!.values.slice(0, 3)).not.toEqual([0, 0, 0])
  })
})

describe('layers that are refused say why', () => {
  const sequential = (...layers: (tf.layers.Layer | tf.layers.RNN)[]): tf.LayersModel => tf.sequential({ layers: layers as tf.layers.Layer[] })
  const training = { mode: 'training', variables: 'variables' } as const
  const words = () => tf.layers.embedding({ inputDim: 4, outputDim: 2, inputLength: 3, maskZero: true })
  const recurrent = (units: number, more: object = {}) => tf.layers.lstm({ units, ...more })
  const cases: readonly (readonly [string, () => tf.LayersModel, RegExp])[] = [
    ['steps that are not known', () => sequential(recurrent(2, { inputShape: [null, 3] })), /the number of steps of its input has to be known/],
    ['a state that is kept', () => sequential(recurrent(2, { batchInputShape: [2, 4, 3], stateful: true })), /keeps its state between calls/],
    ['a mask that TensorFlow.js does not drop', () => sequential(words(), recurrent(2), tf.layers.repeatVector({ n: 3 }), recurrent(2)), /takes no mask, but TensorFlow.js would give it that of another layer/],
    ['a mask of what is added', () => {
      const x = tf.input({ shape: [3] })
      const rows = words().apply(x) as tf.SymbolicTensor
      return tf.model({ inputs: x, outputs: recurrent(2).apply(tf.layers.add({ name: 'sum' }).apply([rows, rows]) as tf.SymbolicTensor) as tf.SymbolicTensor })
    }, /the mask of what "sum" \(Add\) merges is not known/],
    ['a dilation that TensorFlow.js leaves out', () => sequential(tf.layers.depthwiseConv2d({ kernelSize: 2, dilationRate: 2, inputShape: [5, 5, 1] })), /leaves its dilationRate out/],
    ['strides for which there is no kernel', () => sequential(tf.layers.depthwiseConv2d({ kernelSize: 2, strides: [1, 2], inputShape: [5, 5, 1] })), /strides of 1 and 2 differ/],
    ['a dilation over an unknown size, in training', () => sequential(tf.layers.conv2d({ filters: 1, kernelSize: 2, dilationRate: 2, inputShape: [null, 5, 1] as never })), /have to be known where it is dilated/],
    ['a batch normalisation of each step, in training', () => sequential(tf.layers.timeDistributed({ layer: tf.layers.batchNormalization(), inputShape: [3, 2] })), /normalises each step by itself/],
    ['cells of another kind', () => sequential(tf.layers.rnn({ cell: tf.layers.lstmCell({ units: 2 }), inputShape: [3, 2] })), /is a RNN, which cannot be exported yet/],
  ]
  test.each(cases)('%s', (_, make, message) => {
    expect(() => lower(describeModel(make()), training)).toThrow(message)
  })
})
