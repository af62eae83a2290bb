import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { features, field, fromRows, pipe, rows, run, words } from '@millrace/core'
import { exportSavedModel, FeatureSetLowering, Graph, loadSavedModel, nativeSession, tensorNumbers } from '@millrace/export'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const texts = [
  'Win CASH now, win big!!!', "don't  can't\tWON'T\r\n'quoted'", '', '   ', '!!!', 'Éclair éclair ÉCLAIR naïve', '東京 タワー', 'a\u00a0b\u2003c\u3000d', '🛫fly🛬 away',
  'a\u0000b\u0001c', 'x'.repeat(300), Array.from({ length: 40 }, (_, word) => `word${word}`).join('-'), 'İstanbul ẞ ǅ K', 'win win\u0085win', 'e-mail: a.b@c.de <html>&amp;</html>', "' '' '''",
]
const schema = { text: field.utf8(), maybe: field.nullable(field.utf8()), code: field.nullable(field.dictionary()) }
const stream = fromRows(schema, texts.map((text, row) => ({ text, maybe: row % 3 === 0 ? null : text, code: row % 4 === 0 ? null : text.slice(0, 6) })), { batchRows: 7 })
const spec = features({
  text: words({ maxWords: 12, topK: 9, oovBuckets: 3 }),
  all: words({ from: 'text', maxWords: 50 }),
  maybe: words({ maxWords: 3, minFrequency: 2, oovBuckets: 2 }),
  none: words({ from: 'text', maxWords: 4, minFrequency: 1_000, oovBuckets: 5 }),
  code: words({ maxWords: 2 }),
})

describePeer('words of texts, here and in TensorFlow', 'tensorflow', () => {
  let folder: string
  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-words-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const fit = async () => {
    const inputs = await run(spec.fit(stream))
    const ours: Record<string, number[]>= { text: [], all: [], maybe: [], none: [], code: [] }
    for await (const row of rows(pipe(stream, inputs.apply))) for (const [name, list] of Object.entries(row)) ours[name]!.push(...(list as readonly number[]))
    return { inputs, ours }
  }

  test('the graph gives the indices that the features give', async () => {
    const { inputs, ours } = await fit()
    expect(inputs.vocabulary('text').slice(0, 2)).toEqual(['win', 'Éclair'])
    expect(inputs.cardinality('text')).toBe(1 + 3 + 9)
    expect(inputs.vocabulary('none')).toEqual([])
    const graph = new Graph()
    const lowering = new FeatureSetLowering(graph, 'constants')
    const raw = graph.placeholder('raw', 'string', [null])
    const lowered = Object.values(inputs.features).map((feature) => [feature, lowering.apply(feature, raw)] as const)
    const session = await run(nativeSession({ graph: graph.encode(), library: peerLibrary() }))
    try {
      await session.run({ targets: lowering.tables.map(({ initializer }) => initializer.name) })
      for (const [{ name, from }, tensor] of lowered) {
        const fed = texts.map((text, row) => (from === 'text' ? text : from === 'maybe' ? (row % 3 === 0 ? '' : text) : row % 4 === 0 ? '' : text.slice(0, 6)))
        const [theirs] = await session.run({ feeds: { [raw.name]: fed }, fetches: [tensor.name] })
        expect([name, theirs!.dtype, theirs!.shape]).toEqual([name, 'int32', [texts.length, inputs.output[name as 'text'].params.size]])
        expect([name, tensorNumbers(theirs!)]).toEqual([name, ours[name]])
      }
      const [nothing] = await session.run({ feeds: { [raw.name]: [] as string[] }, fetches: [lowered[0]![1].name] })
      expect(nothing!.shape).toEqual([0, 12])
    } finally {
      await session.close()
    }
  })

  test('an exported model takes the texts, in plain JavaScript and from Examples too', async () => {
    const { inputs, ours } = await fit()
    const port = tf.input({ name: 'text', shape: [12], dtype: 'int32' })
    const table = tf.layers.embedding({ inputDim: inputs.cardinality('text'), outputDim: 2 }).apply(port) as tf.SymbolicTensor
    const model = tf.model({ inputs: port, outputs: tf.layers.dense({ units: 1, name: 'y' }).apply(tf.layers.flatten().apply(table) as tf.SymbolicTensor) as tf.SymbolicTensor })
    const expected = Array.from((model.predict(tf.tensor2d(ours['text']!, [texts.length, 12], 'int32')) as tf.Tensor).dataSync())
    const { url } = await run(exportSavedModel(model, join(folder, 'model'), { inputs }))
    const predictor = await run(loadSavedModel(url, { runtime: 'javascript' }))
    try {
      const answer = await run(predictor.predict({ text: texts }))
      Array.from(answer['y']!.values as Float32Array).forEach((value, row) => expect(value).toBeCloseTo(expected[row]!, 5))
    } finally {
      predictor.dispose()
    }
  })
})
