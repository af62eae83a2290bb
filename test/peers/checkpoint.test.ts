import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { field, fromRows, run } from '@millrace/core'
import { train, type TrainingReport } from '@millrace/distributed'
import { openEventFile, latestCheckpoint, openCheckpoint, readCheckpoint, tensorValue, writeCheckpoint, type TensorValue } from '@millrace/export'
import { describePeer, runPython } from '../support/peer.js'

const script = `
import json, sys
import numpy as np
import tensorflow as tf
prefix, events, training = sys.argv[1:4]
reader = tf.train.load_checkpoint(prefix)
def plain(value):
    if value.dtype == object: return [item.decode('latin-1') for item in value.reshape(-1).tolist()]
    return [str(item) for item in value.reshape(-1).tolist()]
dtypes = reader.get_variable_to_dtype_map()
tensors = {}
for name, shape in reader.get_variable_to_shape_map().items():
    value = np.asarray(reader.get_tensor(name))
    tensors[name] = {'dtype': dtypes[name].name, 'shape': shape,
                     'values': plain(value) if value.size < 100 else [str(value.size), str(float(value.sum()))]}
written = []
for event in tf.compat.v1.train.summary_iterator(events):
    for value in event.summary.value:
        written.append([event.step, value.tag, value.metadata.plugin_data.plugin_name, float(tf.make_ndarray(value.tensor)), event.wall_time])
    if event.file_version: written.append(event.file_version)
    if event.graph_def: written.append(len(event.graph_def))
def scalars(folder):
    files = tf.io.gfile.glob(folder + '/events.out.tfevents.*')
    return [[event.step, value.tag, float(tf.make_ndarray(value.tensor))]
            for file in files for event in tf.compat.v1.train.summary_iterator(file) for value in event.summary.value]
parts = {part: scalars(training + '/' + part) for part in ['train', 'validation']}
print(json.dumps({'tensors': tensors, 'events': written, 'training': parts}))
`

/** Variables in slices, of rows and of columns, on two devices, saved by `tf.compat.v1.train.Saver(sharded=True)`. */
const slicedScript = `
import sys
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1
v1.disable_eager_execution()
def init(shape, dtype=None, partition_info=None):
    rows, columns = np.meshgrid(*[np.arange(size) + offset for size, offset in zip(shape, partition_info.var_offset if partition_info else [0, 0])], indexing='ij')
    return tf.constant(rows * 10 + columns, tf.float32)
with tf.device(v1.train.replica_device_setter(ps_tasks=0)):
    for name, axis in [('rows', 0), ('columns', 1)]:
        v1.get_variable(name, shape=[11, 7], initializer=init, use_resource=True, partitioner=tf.compat.v1.fixed_size_partitioner(3, axis=axis))
with tf.device('/cpu:1'):
    v1.get_variable('whole', initializer=np.arange(5, dtype=np.int64), use_resource=True)
saver = v1.train.Saver(sharded=True)
with v1.Session(config=v1.ConfigProto(device_count={'CPU': 2})) as session:
    session.run(v1.global_variables_initializer())
    saver.save(session, sys.argv[1], global_step=3)
    saver.save(session, sys.argv[1], global_step=4)
`

const long = 'x'.repeat(300)
interface Named {
  readonly name: string
  readonly value: TensorValue
}
const tensors: readonly Named[] = [
  { name: 'b/float', value: tensorValue('float32', [2, 2], [1.5, -2, 0, 1e-7]) },
  { name: 'a/double', value: tensorValue('float64', [], [Math.PI]) },
  { name: 'ints', value: tensorValue('int32', [3], [-1, 0, 2147483647]) },
  { name: 'longs', value: tensorValue('int64', [2], [-(2n ** 63n), 2n ** 63n - 1n]) },
  { name: 'bools', value: tensorValue('bool', [2], [true, false]) },
  { name: 'bytes', value: tensorValue('uint8', [2], [0, 255]) },
  { name: 'empty', value: tensorValue('float32', [0, 4], []) },
  { name: 'strings', value: tensorValue('string', [2, 2], ['', 'Zürich', new Uint8Array([0, 255]), long]) },
  { name: 'no strings', value: tensorValue('string', [0], []) },
  { name: 'large', value: tensorValue('float32', [1000, 100], new Float32Array(100_000).fill(0.5)) },
]
// Enough keys, long enough, that the index needs several blocks.
const many = Array.from({ length: 3000 }, (_, index): Named => ({
  name: `a_rather_long_scope_of_names_that_fills_blocks_${'pad'.repeat(20)}/variable_${index}`,
  value: tensorValue('int32', [1], [index]),
}))

describePeer('checkpoints and event files against TensorFlow', 'tensorflow', () => {
  let folder = ''
  let theirs: { tensors: Record<string, { dtype: string; shape: number[]; values: string[] }>; events: unknown[]; training: Record<'train' | 'validation', [step: number, tag: string, value: number][]> }
  let report: TrainingReport
  const before = Date.now() / 1000

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-checkpoint-'))
    await run(writeCheckpoint(join(folder, 'model'), [...many, ...tensors]))
    const events = await openEventFile(join(folder, 'events', 'train'))
    await events.scalars(0, { epoch_loss: 0.5, 'evaluation/auc': 0.75 })
    await Promise.all([events.scalars(1, { epoch_loss: 0.25 }), events.scalars(2 ** 40, { epoch_loss: 0.125 })])
    await events.graph(new Uint8Array([10, 0]))
    await events.close()
    const model = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: [1], name: 'x' }), tf.layers.dense({ units: 1 })] })
    model.compile({ optimizer: tf.train.sgd(0.25), loss: 'meanSquaredError', metrics: ['mae'] })
    const data = fromRows({ x: field.float32(), y: field.float32() }, [{ x: 1, y: 2 }, { x: 2, y: 3 }])
    report = await run(train(model, { data, validation: data, label: 'y', epochs: 2, tensorBoard: join(folder, 'training') }))
    expect(dirname(events.path)).toBe(join(folder, 'events', 'train'))
    theirs = JSON.parse(await runPython(script, { args: [join(folder, 'model'), events.path, join(folder, 'training')] })) as typeof theirs
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test.each(tensors.filter(({ name }) => name !== 'large'))('tensor $name', ({ name, value }) => {
    const plain = (item: number | bigint | string | Uint8Array): string => {
      if (typeof item === 'string' || item instanceof Uint8Array) return Buffer.from(item as string).toString('latin1')
      if (value.dtype === 'bool') return item === 1 ? 'True' : 'False'
      return String(item)
    }
    const { values, ...rest } = theirs.tensors[name]!
    expect(rest).toEqual({ dtype: value.dtype, shape: value.shape })
    if (value.dtype.startsWith('float')) expect(values.map(Number)).toEqual(Array.from(value.data as Float32Array))
    else expect(values).toEqual(Array.from(value.data as ArrayLike<number>, plain))
  })

  test('a tensor larger than a buffer, and an index of several blocks', () => {
    expect(theirs.tensors['large']?.values).toEqual(['100000', '50000.0'])
    for (const { name, value } of many) expect(theirs.tensors[name]?.values).toEqual([String(value.data[0])])
  })

  test('events', () => {
    const after = Date.now() / 1000
    const [version, ...rest] = theirs.events
    const graph = rest.pop()
    expect(version).toBe('brain.Event:2')
    expect(graph).toBe(2)
    expect(rest.map((event) => (event as unknown[]).slice(0, 4))).toEqual([
      [0, 'epoch_loss', 'scalars', 0.5],
      [0, 'evaluation/auc', 'scalars', 0.75],
      [1, 'epoch_loss', 'scalars', 0.25],
      [2 ** 40, 'epoch_loss', 'scalars', 0.125],
    ])
    for (const event of rest) {
      const time = (event as number[])[4]!
      expect(time).toBeGreaterThanOrEqual(before)
      expect(time).toBeLessThanOrEqual(after)
    }
  })

  test('a training leaves the tags and steps that the TensorBoard callback of Keras leaves', () => {
    // keras/src/callbacks/tensorboard.py: epochs count from 0, and the learning rate stands with the training.
    const [first, second] = report.epochs.map(({ metrics }) => metrics)
    const metric = Object.keys(first!)[1]!
    const expected = (epoch: number, metrics: typeof first, prefix: string) => ['loss', metric].map((name) => [epoch, `epoch_${name}`, Math.fround(metrics![`${prefix}${name}`]!)])
    expect(theirs.training.train).toEqual([...expected(0, first, ''), [0, 'epoch_learning_rate', 0.25], ...expected(1, second, ''), [1, 'epoch_learning_rate', 0.25]])
    expect(theirs.training.validation).toEqual([...expected(0, first, 'val_'), ...expected(1, second, 'val_')])
  })

  test('slices that TensorFlow saved are read whole, and row by row', async () => {
    await mkdir(join(folder, 'sliced'))
    await runPython(slicedScript, { args: [join(folder, 'sliced', 'model.ckpt')] })
    const prefix = await latestCheckpoint(join(folder, 'sliced'))
    expect(prefix).toBe(join(folder, 'sliced', 'model.ckpt-4'))
    const expected = Float32Array.from({ length: 77 }, (_, index) => Math.floor(index / 7) * 10 + (index % 7))
    const read = await run(readCheckpoint(prefix!))
    expect([read.get('rows')!.data, read.get('columns')!.data, read.get('whole')!.data]).toEqual([expected, expected, BigInt64Array.from([0n, 1n, 2n, 3n, 4n])])
    const checkpoint = await openCheckpoint(prefix!)
    for (const name of ['rows', 'columns']) {
      expect(checkpoint.entries.get(name)).toMatchObject({ shape: [11, 7], slices: 3, modParts: undefined })
      for (const blockBytes of [1, 56, 140, 10_000]) {
        const values: number[] = []
        for await (const { data } of checkpoint.blocks(name, { start: 2, end: 10, blockBytes })) values.push(...(data as Float32Array))
        expect(values, `${name} in blocks of ${blockBytes}`).toEqual(Array.from(expected.subarray(14, 70)))
      }
    }
  })

  test('two tensors of one name are refused, and nothing is left', async () => {
    const twice = [tensors[0]!, tensors[0]!]
    await expect(run(writeCheckpoint(join(folder, 'twice'), twice))).rejects.toThrow(/two tensors are named "b\/float"/)
    await run(writeCheckpoint(join(folder, 'twice'), [tensors[0]!]))
    await expect(run(writeCheckpoint(join(folder, 'twice'), [tensors[0]!]))).rejects.toMatchObject({ _tag: 'AlreadyExists' })
  })
})
