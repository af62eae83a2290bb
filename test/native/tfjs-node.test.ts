import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildProgram } from '../support/program.js'
import { describeTfjsNode, runProgram } from '../support/tfjs-node.js'
import type { ServingOutcome } from './serving-program.js'
import type { TrainingOutcome } from './training-program.js'

const numbersOf = (answer: ServingOutcome['answers'][string][number] | undefined, output: string): number[] =>
  (answer as unknown as { readonly [output: string]: { readonly values: number[] } })[output]!.values

describeTfjsNode('with @tensorflow/tfjs-node installed', () => {
  let folder = ''
  const programs: string[] = []
  let native: TrainingOutcome
  let wasm: TrainingOutcome
  let serving: ServingOutcome
  let alone: ServingOutcome

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-native-'))
    const build = async (name: string): Promise<string> => {
      const program = await buildProgram(`import './test/native/${name}.ts'`, name)
      programs.push(program)
      return program
    }
    const training = await build('training-program')
    native = (await runProgram(training, ['any', folder], { tfjsNode: true })) as TrainingOutcome
    wasm = (await runProgram(training, ['wasm', join(folder, 'wasm')], { tfjsNode: false })) as TrainingOutcome
    const serve = await build('serving-program')
    serving = (await runProgram(serve, [folder, 'native'], { tfjsNode: true })) as ServingOutcome
    alone = (await runProgram(serve, [folder, 'alone'], { tfjsNode: false })) as ServingOutcome
  })
  afterAll(async () => {
    for (const path of [folder, ...programs]) await rm(path, { recursive: true, force: true })
  })

  test('chooseBackend takes it, and says so', () => {
    expect(native.backend).toMatchObject({ backend: 'tfjs-node', version: '4.22.0', addedKernels: [] })
    expect(native.backend.description).toMatch(/^TensorFlow 2\.\d+\.\d+ \(@tensorflow\/tfjs-node 4\.22\.0\)$/)
    expect(native.backend.notTaken).toEqual([{ backend: 'tfjs-node-gpu', reason: 'not installed' }])
    expect(wasm.backend.backend).toBe('wasm')
  })

  test('training comes to the same losses as on WebAssembly', () => {
    expect(native.losses).toHaveLength(6)
    native.losses.forEach((loss, i) => expect(loss).toBeCloseTo(wasm.losses[i]!, 4))
    expect(native.losses[4]).toBeLessThan(native.losses[0]!)
  })

  test('training leaves no tensors behind, in TensorFlow.js or in TensorFlow', () => {
    const [first, second] = native.tensors
    expect(first![1]).toBeGreaterThan(0)
    expect(second).toEqual(first)
  })

  test('loadSavedModel takes it where it is installed, and leaves the backend that is in use', () => {
    const runs = { kind: 'native', library: '@tensorflow/tfjs-node' }
    expect(serving.runtimes).toMatchObject({ auto: runs, native: runs, javascript: { kind: 'javascript' } })
    expect(serving.backend).toEqual(['cpu', 'cpu'])
  })

  test('where it is not installed, auto runs in JavaScript and native names the packages', () => {
    expect(alone.runtimes.auto).toMatchObject({ kind: 'javascript' })
    expect(alone.runtimes.native).toMatchObject({ tag: 'MissingPeer', code: 'MISSING_PEER', message: expect.stringMatching(/@tensorflow\/tfjs-node-gpu or @tensorflow\/tfjs-node, and neither is installed.*npm install/) as string })
  })

  test.each([['columns', 5], ['examples', 300], ['no rows', 0], ['columns again', 5]])('%s: both runtimes give the same probabilities', (question, rows) => {
    const [natively, javascript] = serving.answers[question]!.map((answer) => numbersOf(answer, 'probability'))
    expect(natively).toHaveLength(rows)
    natively!.forEach((value, i) => expect(Math.abs(value - javascript![i]!)).toBeLessThan(1e-5))
    if (rows > 0) expect(new Set(natively!.map((value) => value.toFixed(4))).size).toBeGreaterThanOrEqual(5)
  })

  test('all of int64 passes, negative too, and bytes and booleans', () => {
    const [natively, javascript] = serving.answers['numbers']!
    expect(natively).toEqual(javascript)
    expect(natively).toEqual({
      same: { dtype: 'int64', shape: [6], values: ['1', '-7', '2147483648', '-2147483649', '9223372036854775807', '-9223372036854775808'] },
      negative: { dtype: 'int64', shape: [6], values: ['-1', '7', '-2147483648', '2147483649', '-9223372036854775807', '-9223372036854775808'] },
      bytes: { dtype: 'int32', shape: [6], values: [0, 1, 127, 128, 255, 9] },
      not: { dtype: 'bool', shape: [6], values: [0, 1, 0, 0, 1, 1] },
    })
    expect(serving.answers['still there']![0]).toEqual(natively)
  })

  test('what the model cannot compute is an error of the model, after which it answers again', () => {
    for (const question of ['not an example', 'not a number']) {
      expect(serving.answers[question]![0]).toMatchObject({ tag: 'Model', code: 'NATIVE_RUN_FAILED' })
      expect(serving.answers[question]![1]).toHaveProperty('tag')
    }
    expect(serving.answers['not a number']![0]).toMatchObject({ message: expect.stringMatching(/signature parse: .*twelve/) as string })
    expect(serving.answers['a number after that']!.map((answer) => numbersOf(answer, 'number'))).toEqual([[12, -0.5], [12, -0.5]])
  })

  test('what does not pass through it is refused under native, and runs in JavaScript under auto', () => {
    expect(serving.answers['native strings']![0]).toMatchObject({ tag: 'Model', code: 'NOT_NATIVE', message: expect.stringContaining('the output "labels" of the signature named is string') as string })
    expect(serving.answers['native doubles']![0]).toMatchObject({ code: 'NOT_NATIVE', message: expect.stringContaining('is float64') as string })
    expect(serving.answers['labels']![0]).toMatchObject({ labels: { values: ['short', 'a label that is too long to be held inline'] }, not: { values: [0] } })
  })

  test('errors are typed', () => {
    expect(serving.answers['missing folder']![0]).toMatchObject({ tag: 'NotFound' })
    expect(serving.answers['damaged']![0]).toMatchObject({ tag: 'Corrupt' })
    expect(serving.answers['missing signature']![0]).toMatchObject({ tag: 'Usage', code: 'NO_SUCH_SIGNATURE' })
    expect(serving.answers['no such signature']![0]).toMatchObject({ tag: 'Usage', code: 'NO_SUCH_SIGNATURE' })
    expect(serving.answers['disposed']![0]).toMatchObject({ tag: 'Usage', code: 'DISPOSED' })
  })

  test('predictions leave nothing behind, and dispose frees the models', () => {
    expect(serving.held).toEqual([0, 0])
    expect(serving.grown).toBeLessThan(30e6)
  })
})
