/**
 * Run by tfjs-node.test.ts: asks SavedModels natively and in JavaScript. Arguments: the folder that training-program.ts wrote to,
 * and whether there is anything native.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { collect, isMillraceError, run, type field, type Job, type Row } from '@millrace/core'
import { loadSavedModel, type LoadSavedModelOptions, type Prediction, type Predictor, type PredictorInput, type PredictorRuntime } from '@millrace/export'
import { readRawRecords } from '@millrace/formats'
import tf from '@tensorflow/tfjs'
import { tensorflow, toInt64 } from '../../packages/export/src/proto/index.js'

/** An output's shape, and its values as texts where JSON has no such numbers. */
interface Answer {
  readonly [output: string]: { readonly dtype: string; readonly shape: readonly number[]; readonly values: readonly (number | string)[] }
}
interface Told {
  readonly tag: string
  readonly code: string
  readonly message: string
}
type Runtime = NonNullable<LoadSavedModelOptions['runtime']>

/** What it prints. */
export interface ServingOutcome {
  /** What runs the exported model under each choice of a runtime, or why nothing does. */
  readonly runtimes: { readonly [R in Runtime]: PredictorRuntime | Told }
  /** What TensorFlow.js computed on before and after the models were loaded. */
  readonly backend: readonly [string, string]
  /** By each runtime, natively first. */
  readonly answers: { readonly [question: string]: readonly (Answer | Told)[] }
  /** SavedModels and tensors that TensorFlow holds after all was disposed of. */
  readonly held: readonly number[]
  /** Bytes that the process grew by in 2,000 predictions. */
  readonly grown: number
}

const [folder, native] = process.argv.slice(2) as [string, string]
const exported = join(folder, 'delay', '1')
const odd = join(folder, 'odd')
const day = 86_400_000

const told = (thrown: unknown): Told => (isMillraceError(thrown) ? { tag: thrown._tag, code: thrown.code, message: thrown.message } : { tag: 'not ours', code: '', message: String(thrown) })
const answer = (prediction: Prediction): Answer => Object.fromEntries(Object.entries(prediction).map(([name, { dtype, shape, values }]) =>
  [name, { dtype, shape, values: Array.from(values as ArrayLike<number | bigint | string>, (value) => (typeof value === 'bigint' ? String(value) : value)) }]))
const attempt = <A, B>(job: Job<A>, then: (value: A) => B): Promise<B | Told> => run(job).then(then, told)

/** A graph of placeholders and constants: types of tensors that our own exports do not have, one signature a group. */
const writeOddModel = async (): Promise<void> => {
  const { DataType } = tensorflow
  const type = (dtype: tensorflow.DataType) => ({ type: dtype })
  const vector = { dim: [{ size: toInt64(-1) }] }
  const node = (name: string, op: string, input: string[], attr: { [key: string]: tensorflow.IAttrValue }): tensorflow.INodeDef => ({ name, op, input, attr })
  const placeholder = (name: string, dtype: tensorflow.DataType) => node(name, 'Placeholder', [], { dtype: type(dtype), shape: { shape: vector } })
  const tensors = (names: { [name: string]: tensorflow.DataType }) => Object.fromEntries(Object.entries(names).map(([name, dtype]) => [name, { name: `${name}:0`, dtype, tensorShape: vector }]))
  const { DT_INT64, DT_INT32, DT_UINT8, DT_BOOL, DT_STRING, DT_FLOAT, DT_DOUBLE } = DataType
  const labels = ['short', 'a label that is too long to be held inline'].map((text) => Buffer.from(text))
  const graph = {
    versions: { producer: 1882 },
    node: [
      placeholder('i', DT_INT64), node('same', 'Identity', ['i'], { T: type(DT_INT64) }), node('negative', 'Neg', ['i'], { T: type(DT_INT64) }),
      placeholder('u', DT_UINT8), node('bytes', 'Cast', ['u'], { SrcT: type(DT_UINT8), DstT: type(DT_INT32) }),
      placeholder('b', DT_BOOL), node('not', 'LogicalNot', ['b'], { T: type(DT_BOOL) }),
      placeholder('s', DT_STRING), node('number', 'StringToNumber', ['s'], { out_type: type(DT_FLOAT) }),
      placeholder('d', DT_DOUBLE), node('double', 'Neg', ['d'], { T: type(DT_DOUBLE) }),
      node('labels', 'Const', [], { dtype: type(DT_STRING), value: { tensor: { dtype: DT_STRING, tensorShape: { dim: [{ size: toInt64(labels.length) }] }, stringVal: labels } } }),
    ],
  }
  const signature = (inputs: { [name: string]: tensorflow.DataType }, outputs: { [name: string]: tensorflow.DataType }): tensorflow.ISignatureDef =>
    ({ methodName: 'tensorflow/serving/predict', inputs: tensors(inputs), outputs: tensors(outputs) })
  const model = {
    savedModelSchemaVersion: toInt64(1),
    metaGraphs: [{
      metaInfoDef: { tags: ['serve'] },
      graphDef: graph,
      signatureDef: {
        numbers: signature({ i: DT_INT64, u: DT_UINT8, b: DT_BOOL }, { same: DT_INT64, negative: DT_INT64, bytes: DT_INT32, not: DT_BOOL }),
        parse: signature({ s: DT_STRING }, { number: DT_FLOAT }),
        named: signature({ b: DT_BOOL }, { not: DT_BOOL, labels: DT_STRING }),
        wide: signature({ d: DT_DOUBLE }, { double: DT_DOUBLE }),
      },
    }],
  }
  await mkdir(odd, { recursive: true })
  await writeFile(join(odd, 'saved_model.pb'), tensorflow.SavedModel.encode(model).finish())
}

const columns = {
  date: [new Date('2001-01-01T00:47:00Z'), -1n, BigInt(-3 * day), 253_402_300_799_999n, new Date(0)],
  distance: [100, 337.5, 1e4, 0, -1],
  origin: ['SFO', '', 'not an airport', 'Łódź 日本', 'JFK'],
  destination: ['JFK', 'ZZZ', 'LAX', '', null],
  originState: ['S', '', '?', 'Ł', 'J'],
  destinationState: ['J', 'Z', 'L', '', ''],
}
const int64s = [1n, -7n, 2n ** 31n, -(2n ** 31n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)]
const numbers = { i: int64s, u: [0, 1, 127, 128, 255, 9], b: [true, false, true, true, false, false] }

await writeOddModel()
await tf.setBackend('cpu')
await tf.ready()
const before = tf.getBackend()
const runtimes = {
  auto: await attempt(loadSavedModel(exported), (predictor) => { predictor.dispose(); return predictor.runtime }),
  native: await attempt(loadSavedModel(exported, { runtime: 'native' }), (predictor) => { predictor.dispose(); return predictor.runtime }),
  javascript: await attempt(loadSavedModel(exported, { runtime: 'javascript' }), (predictor) => { predictor.dispose(); return predictor.runtime }),
}
const after = tf.getBackend()

const answers: { [question: string]: (Answer | Told)[] } = {}
let held: number[] = []
let grown = 0
if (native === 'native') {
  const both = ['native', 'javascript'] as const
  const loaded: Predictor[] = []
  const load = async (url: string, options: LoadSavedModelOptions): Promise<Predictor> => {
    const predictor = await run(loadSavedModel(url, options))
    loaded.push(predictor)
    return predictor
  }
  const ask = async (question: string, predictors: readonly Predictor[], input: PredictorInput, signature?: string): Promise<void> => {
    answers[question] = []
    for (const predictor of predictors) answers[question].push(await attempt(predictor.predict(input, { signature }), answer))
  }
  const delay = [await load(exported, { runtime: 'native' }), await load(exported, { runtime: 'javascript' })]
  const rows = (await run(collect()(readRawRecords(join(folder, 'flights@*'))))) as Row<{ record: ReturnType<typeof field.binary> }>[]
  const examples = rows.map(({ record }) => record!)
  await ask('columns', delay, columns)
  await ask('examples', delay, examples, 'serving_examples')
  await ask('no rows', delay, Object.fromEntries(Object.keys(columns).map((name) => [name, []])))
  await ask('not an example', delay, [new Uint8Array([1, 2, 3])], 'serving_examples')
  await ask('columns again', delay, columns)
  await ask('no such signature', delay, columns, 'other')

  const typed = await Promise.all(both.map((runtime) => load(odd, { runtime, signatures: ['numbers', 'parse'] })))
  await ask('numbers', typed, numbers, 'numbers')
  await ask('not a number', typed, { s: ['12', 'twelve'] }, 'parse')
  await ask('a number after that', typed, { s: ['12', '-0.5'] }, 'parse')
  answers['native strings'] = [await attempt(loadSavedModel(odd, { runtime: 'native', signatures: ['named'] }), () => ({}))]
  answers['native doubles'] = [await attempt(loadSavedModel(odd, { runtime: 'native', signatures: ['wide'] }), () => ({}))]
  await ask('labels', [await load(odd, { signatures: ['named'] })], { b: [true] })
  answers['missing folder'] = [await attempt(loadSavedModel(join(folder, 'nowhere'), { runtime: 'native' }), () => ({}))]
  answers['missing signature'] = [await attempt(loadSavedModel(exported, { runtime: 'native', signatures: ['other'] }), () => ({}))]

  // A model that is replaced in its folder is another model to those who load it later.
  const [numbersModel] = typed
  await rm(join(odd, 'saved_model.pb'))
  await writeFile(join(odd, 'saved_model.pb'), 'no model')
  answers['damaged'] = [await attempt(loadSavedModel(odd, { runtime: 'native' }), () => ({}))]
  await ask('still there', [numbersModel!], numbers, 'numbers')

  const repeat = async (times: number): Promise<number> => {
    for (let i = 0; i < times; i++) {
      await run(delay[0]!.predict(examples, { signature: 'serving_examples' }))
      await run(numbersModel!.predict(numbers, { signature: 'numbers' }))
    }
    globalThis.gc?.()
    return process.memoryUsage().rss
  }
  const warm = await repeat(500)
  grown = (await repeat(1000)) - warm
  for (const predictor of loaded) predictor.dispose()
  for (const predictor of loaded) predictor.dispose()
  await ask('disposed', [delay[0]!], columns)
  const { binding } = tf.findBackend('tensorflow') as unknown as { readonly binding: { getNumOfSavedModels(): number; getNumOfTensors(): number } }
  held = [binding.getNumOfSavedModels(), binding.getNumOfTensors()]
}
console.log(`\n${JSON.stringify({ runtimes, backend: [before, after], answers, held, grown } satisfies ServingOutcome)}`)
