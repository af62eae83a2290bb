import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { describe, expect, it } from 'vitest'
import { run } from '../../job/index.js'
import { field } from '../../schema/index.js'
import { fromRows } from '../../stream/index.js'
import { embedding, embeddingWeights, features, hashBucket, readWordVectors, standardize, vocabulary } from '../index.js'

const words = fromRows({ word: field.utf8(), n: field.float32() }, ['the', 'the', 'the', 'of', 'of', 'zürich'].map((word, n) => ({ word, n })))
const fitted = run(features({ word: vocabulary({ maskToken: '', oovBuckets: 2 }), hashed: hashBucket({ buckets: 4, from: 'word' }), n: standardize() }).fit(words))
const vectors = new Map([['the', [1, 2, 3]], ['zürich', [3, 4, 8]], ['unused', [9, 9, 9]]])

const row = (weights: Float32Array, index: number): readonly number[] => [...weights.subarray(index * 3, index * 3 + 3)]

describe('embeddingWeights', () => {
  it('lays rows out as mask, out-of-vocabulary buckets, tokens', async () => {
    const { weights, inputDim, outputDim, coverage } = embeddingWeights(await fitted, 'word', { dimension: 3, pretrained: vectors })
    expect([inputDim, outputDim, weights.length]).toEqual([6, 3, 18])
    expect(row(weights, 0)).toEqual([0, 0, 0])
    expect(row(weights, 1)).toEqual([2, 3, 5.5])
    expect(row(weights, 2)).toEqual([2, 3, 5.5])
    expect(row(weights, 3)).toEqual([1, 2, 3])
    expect(row(weights, 5)).toEqual([3, 4, 8])
    expect(coverage).toEqual({ found: 2, total: 3, ratio: 2 / 3, missing: ['of'] })
  })

  it('draws the row of a token by seed and token alone', async () => {
    const inputs = await fitted
    const { weights } = embeddingWeights(inputs, 'word', { dimension: 3, seed: 7 })
    expect(row(embeddingWeights(inputs, 'word', { dimension: 3, seed: 8 }).weights, 4)).not.toEqual(row(weights, 4))
    const other = await run(features({ word: vocabulary() }).fit(fromRows({ word: field.utf8() }, [{ word: 'of' }])))
    expect(row(embeddingWeights(other, 'word', { dimension: 3, seed: 7 }).weights, 1)).toEqual(row(weights, 4))
    expect(new Set([1, 2, 3, 4, 5].map((index) => row(weights, index).join())).size).toBe(5)
  })

  it('draws from a normal distribution', async () => {
    const { weights } = embeddingWeights(await fitted, 'hashed', { dimension: 5001, deviation: 2 })
    const mean = weights.reduce((sum, x) => sum + x, 0) / weights.length
    const variance = weights.reduce((sum, x) => sum + (x - mean) ** 2, 0) / weights.length
    expect(Math.abs(mean)).toBeLessThan(0.05)
    expect(Math.abs(Math.sqrt(variance) - 2)).toBeLessThan(0.05)
    expect(weights.filter((x) => Math.abs(x) < 2).length / weights.length).toBeCloseTo(0.6827, 1)
  })

  it('refuses what makes no sense', async () => {
    const inputs = await fitted
    expect(() => embeddingWeights(inputs, 'n', { dimension: 3 })).toThrow(/feature "n" \(standardize\) is not categorical.*word, hashed/)
    expect(() => embeddingWeights(inputs, 'hashed', { dimension: 3, pretrained: vectors })).toThrow(/no vocabulary/)
    expect(() => embeddingWeights(inputs, 'word', { dimension: 4, pretrained: vectors })).toThrow(/"the" has 3 numbers.*Set the dimension to 3/)
    expect(() => embeddingWeights(inputs, 'word', { dimension: 0 })).toThrow(/dimension/)
    expect(() => embeddingWeights(inputs, 'word', { dimension: 2 ** 29 })).toThrow(/larger than/)
    expect(() => embeddingWeights(inputs, 'wort' as 'word', { dimension: 4 })).toThrow(/no feature named "wort"/)
  })
})

describe('embedding', () => {
  it('gives a layer of TensorFlow.js with the rows in it', async () => {
    await tf.setBackend('cpu')
    const { layer, weights } = embedding(await fitted, 'word', { tf, dimension: 3, pretrained: vectors, trainable: false })
    const input = tf.input({ shape: [1], name: 'word' })
    const model = tf.model({ inputs: input, outputs: tf.layers.flatten().apply(layer.apply(input)) as tf.SymbolicTensor })
    expect([...layer.getWeights()[0]!.dataSync()]).toEqual([...weights])
    expect(layer.name).toBe('embedding_word')
    expect(model.trainableWeights.length).toBe(0)
    const out = model.predict(tf.tensor2d([[5], [0], [1]])) as tf.Tensor
    expect(await out.array()).toEqual([[3, 4, 8], [0, 0, 0], [2, 3, 5.5]])
  })
})

describe('readWordVectors', () => {
  const file = async (text: string | Uint8Array): Promise<string> => {
    const path = join(await mkdtemp(join(tmpdir(), 'millrace-')), 'vectors.txt')
    await writeFile(path, text)
    return path
  }
  const failsWith = async (text: string | Uint8Array, expected: object, options = {}): Promise<void> => {
    await expect(run(readWordVectors(await file(text), options))).rejects.toMatchObject(expected)
  }

  it('reads the form of GloVe', async () => {
    const read = await run(readWordVectors(await file('the 0.5 -1e-1 3\nzürich 1 2 .5\n')))
    expect(read.dimension).toBe(3)
    expect(read.tokens).toEqual(['the', 'zürich'])
    expect(read.get('the')).toEqual(Float32Array.of(0.5, -0.1, 3))
    expect(read.get('zürich')).toEqual(Float32Array.of(1, 2, 0.5))
    expect(read.get('x')).toBeUndefined()
  })

  it('reads the form of word2vec, with its header, ends of lines and no newline at the end', async () => {
    const read = await run(readWordVectors(await file('3 2\r\n</s> 1 2 \r\na\t3\t4\r\n\r\n5 6 7')))
    expect(read.dimension).toBe(2)
    expect([...read.tokens]).toEqual(['</s>', 'a', '5'])
    expect([...read.values]).toEqual([1, 2, 3, 4, 6, 7])
  })

  it('keeps tokens with spaces when it knows the dimension, and the first of two', async () => {
    const read = await run(readWordVectors(await file('. . . 1 2\nat name@domain.com 3 4\n. . . 5 6\n'), { dimension: 2 }))
    expect([...read.tokens]).toEqual(['. . .', 'at name@domain.com'])
    expect(read.get('. . .')).toEqual(Float32Array.of(1, 2))
    const one = await run(readWordVectors(await file('10 5\nb 6\n'), { dimension: 1 }))
    expect([...one.tokens]).toEqual(['10', 'b'])
  })

  it('parses only the tokens that are asked for', async () => {
    const read = await run(readWordVectors(await file('a 1 2\nb not numbers\nc 3 4\n'), { only: ['c', 'z'] }))
    expect([...read.tokens]).toEqual(['c'])
    expect([...read.values]).toEqual([3, 4])
  })

  it('reads lines across the chunks of a large file', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `token${i} ${i} ${-i} 0.25`)
    const path = await file(`${lines.join('\n')}\n`)
    const progress: number[] = []
    const read = await run(readWordVectors(path), { progress: ({ done }) => void progress.push(done) })
    expect(progress.length).toBeGreaterThan(2)
    expect(read.tokens.length).toBe(60_000)
    for (let i = 1; i < 60_000; i += 997) expect(read.get(`token${i}`)).toEqual(Float32Array.of(i, -i, 0.25))
  })

  it('names the line of what is wrong', async () => {
    await failsWith('a 1 2\nb 1\n', { _tag: 'BadRecord', code: 'TOO_FEW_NUMBERS', position: { line: 2 } })
    await failsWith('a 1 2\nb 1 x\n', { _tag: 'BadRecord', code: 'BAD_NUMBER', position: { line: 2 } })
    await failsWith('a 1 2\nb 1 NaN\n', { code: 'BAD_NUMBER' })
    await failsWith('a\n', { code: 'NO_VECTOR', position: { line: 1 } })
    await failsWith('', { _tag: 'Corrupt', code: 'NO_VECTOR' })
    await failsWith('10 300\n', { code: 'WRONG_DIMENSION' }, { dimension: 50 })
    await failsWith('1 999999\n', { _tag: 'Limit', code: 'TOO_WIDE' })
    await failsWith('a 1\n', { _tag: 'Usage' }, { dimension: 1.5 })
    await failsWith(new Uint8Array(3 << 20).fill(65), { _tag: 'Limit', code: 'LINE_TOO_LONG', position: { line: 1 } })
    await expect(run(readWordVectors(join(tmpdir(), 'millrace-no-such-file.txt')))).rejects.toMatchObject({ _tag: 'NotFound' })
  })

  it('stops when it is told to', async () => {
    await expect(run(readWordVectors(await file('a 1 2\n')), { signal: AbortSignal.abort() })).rejects.toMatchObject({ _tag: 'Aborted' })
  })
})
