import { readFileSync } from 'node:fs'
import * as tf from '@tensorflow/tfjs'
import { beforeAll, expect, test } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'

const script = `
import json, sys
import numpy as np
import tensorflow as tf
import keras
v1 = tf.compat.v1

K, V = keras.optimizers, v1.train
theirs = {
    'SGD': (lambda: K.SGD(0.1), lambda: V.GradientDescentOptimizer(0.1)),
    'Momentum': (lambda: K.SGD(0.1, momentum=0.8), lambda: V.MomentumOptimizer(0.1, 0.8)),
    'Nesterov': (lambda: K.SGD(0.1, momentum=0.8, nesterov=True), lambda: V.MomentumOptimizer(0.1, 0.8, use_nesterov=True)),
    'Adagrad': (lambda: K.Adagrad(0.1), lambda: V.AdagradOptimizer(0.1)),
    'Adadelta': (lambda: K.Adadelta(0.5, rho=0.9, epsilon=0.1), lambda: V.AdadeltaOptimizer(0.5, 0.9, 0.1)),
    'RMSProp': (lambda: K.RMSprop(0.1, rho=0.8, momentum=0.5, epsilon=0.1), lambda: V.RMSPropOptimizer(0.1, 0.8, 0.5, 0.1)),
    'RMSProp, centered': (lambda: K.RMSprop(0.1, rho=0.8, momentum=0.5, epsilon=0.001, centered=True), lambda: V.RMSPropOptimizer(0.1, 0.8, 0.5, 0.001, centered=True)),
    'Adam': (lambda: K.Adam(0.1, 0.8, 0.9, 0.1), lambda: V.AdamOptimizer(0.1, 0.8, 0.9, 0.1)),
    'Adamax': (lambda: K.Adamax(0.1, 0.8, 0.9, 0.1), None),
}
given = json.load(sys.stdin)
start, gradients = np.float32(given['start']), np.float32(given['gradients'])

def by_keras(make):
    optimizer, variable = make(), keras.Variable(start)
    for gradient in gradients: optimizer.apply([tf.constant(gradient)], [variable])
    return variable.numpy().tolist()

def by_v1(make):
    with v1.Session(graph=tf.Graph()) as session:
        variable, fed = v1.get_variable('w', initializer=start, use_resource=True), v1.placeholder(tf.float32, start.shape)
        train = make().apply_gradients([(fed, variable)])
        session.run(v1.global_variables_initializer())
        for gradient in gradients: session.run(train, {fed: gradient})
        return session.run(variable).tolist()

sigmoid = keras.activations.hard_sigmoid(tf.constant([1.0])).numpy().tolist()
print(json.dumps({'sigmoid': sigmoid, 'weights': {name: [by_keras(one), old and by_v1(old)] for name, (one, old) in theirs.items()}}))
`

const start = [0.5, -1, 2, 0.1]
const gradients = [[0.3, -0.2, 0.05, 1], [0.1, 0.4, -0.3, 0.5], [-0.2, 0.1, 0.2, 2], [0.05, -0.6, 0.1, -1], [0.4, 0.2, -0.1, 0.3]]

const optimizers: Readonly<Record<string, () => tf.Optimizer>> = {
  SGD: () => tf.train.sgd(0.1),
  Momentum: () => tf.train.momentum(0.1, 0.8),
  Nesterov: () => tf.train.momentum(0.1, 0.8, true),
  Adagrad: () => tf.train.adagrad(0.1),
  Adadelta: () => tf.train.adadelta(0.5, 0.9, 0.1),
  RMSProp: () => tf.train.rmsprop(0.1, 0.8, 0.5, 0.1),
  'RMSProp, centered': () => tf.train.rmsprop(0.1, 0.8, 0.5, 0.001, true),
  Adam: () => tf.train.adam(0.1, 0.8, 0.9, 0.1),
  Adamax: () => tf.train.adamax(0.1, 0.8, 0.9, 0.1),
}

const here = (make: () => tf.Optimizer): readonly number[] => {
  const [optimizer, weights] = [make(), tf.variable(tf.tensor1d(start))]
  for (const gradient of gradients) optimizer.applyGradients({ [weights.name]: tf.tensor1d(gradient) })
  return Array.from(weights.dataSync())
}

/** What the page says of an optimizer: of Keras, and of TensorFlow 1. */
const page = readFileSync(new URL('../../docs/reference/optimizers.md', import.meta.url), 'utf8')
const said = (name: string): readonly string[] => page.split('\n').find((line) => line.startsWith(`| ${name} |`))!.split('|').slice(3, 5).map((cell) => cell.trim())

describePeer('the table of optimizers', 'tensorflow', () => {
  let report: { sigmoid: readonly number[]; weights: Record<string, readonly [readonly number[], readonly number[] | null]> }
  beforeAll(async () => {
    await tf.setBackend('cpu')
    report = JSON.parse(await runPython(script, { input: JSON.stringify({ start, gradients }) })) as typeof report
  })

  test.each(Object.entries(optimizers))('%s', (name, make) => {
    const ours = here(make)
    const measured = report.weights[name]!.map((theirs) => (theirs === null ? '—' : theirs.every((value, index) => Math.abs(value - ours[index]!) < 1e-6) ? '=' : 'differs'))
    expect(measured).toEqual(said(name))
  })

  test('hard sigmoid', () => {
    const [y] = (tf.layers.activation({ activation: 'hardSigmoid' }).apply(tf.tensor1d([1])) as tf.Tensor).dataSync()
    expect(y).toBeCloseTo(0.2 + 0.5, 6)
    expect(report.sigmoid[0]).toBeCloseTo(1 / 6 + 0.5, 6)
  })
})
