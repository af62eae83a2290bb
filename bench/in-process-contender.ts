/** Trains the models of the suite `in-process`: by `train()`, or, with the argument `tfjs-node`, by `model.fit` of TensorFlow.js on tfjs-node. */
import { run } from '@millrace/core'
import { train } from '@millrace/distributed'
import tf from '@tensorflow/tfjs'
import { serve } from './harness/program.js'
import type { StepCost } from './harness/steps.js'
import { buildFitModel, fitColumns, fitModels, fitStream, type FitModel } from './suites/in-process-model.js'

/** What the suite asks for. */
export interface FitCommand {
  readonly do: 'fit'
  readonly model: string
  readonly batch: number
  /** Of an epoch. */
  readonly steps: number
  readonly epochs: number
  /** Of TensorFlow. */
  readonly library: string
}

/** What it is told. */
export interface FitCost extends StepCost {
  /** Of each epoch. */
  readonly losses: readonly number[]
}

type Fit = (model: tf.LayersModel, of: FitModel, command: FitCommand) => Promise<readonly number[]>

/** What was made for the last command stays, as a user's data would. */
const kept = <A>(make: (of: FitModel, rows: number) => A): ((command: FitCommand) => A) => {
  let last: { readonly key: string; readonly made: A } | undefined
  return ({ model, batch, steps }) => {
    const key = `${model} ${batch * steps}`
    if (last?.key !== key) last = { key, made: make(fitModels[model]!, batch * steps) }
    return last.made
  }
}

const streamOf = kept((of, rows) => fitStream(of, fitColumns(of, rows)))
const tensorsOf = kept((of, rows) => {
  const { ids, number, label } = fitColumns(of, rows)
  const x = of.tables.map(({ name, width }) => tf.tensor2d(ids[name]!, [rows, width], 'int32'))
  return { x: of.hasNumber ? [...x, tf.tensor2d(number, [rows, 1])] : x, y: tf.tensor2d(label, [rows, 1]) }
})

const contenders: { readonly [name: string]: { readonly prepare: (command: FitCommand) => unknown; readonly fit: Fit } } = {
  ours: {
    prepare: streamOf,
    fit: async (model, _, command) => {
      const { epochs } = await run(train(model, { data: streamOf(command), label: 'label', batchSize: command.batch, epochs: command.epochs, runtime: 'tensorflow', library: command.library }))
      return epochs.map(({ loss }) => loss)
    },
  },
  'tfjs-node': {
    prepare: tensorsOf,
    fit: async (model, _, command) => {
      const { x, y } = tensorsOf(command)
      const { history } = await model.fit(x, y, { batchSize: command.batch, epochs: command.epochs, shuffle: false, verbose: 0 })
      return history['loss'] as number[]
    },
  },
}

const kind = process.argv[2] ?? 'ours'
if (kind === 'tfjs-node') {
  await import('@tensorflow/tfjs-node' as string)
  await tf.ready()
}
const { prepare, fit } = contenders[kind]!

await serve({
  fit: async (command: FitCommand): Promise<FitCost> => {
    const of = fitModels[command.model]!
    prepare(command)
    const model = buildFitModel(tf, of)
    const cpu = process.cpuUsage()
    const start = performance.now()
    const losses = await fit(model, of, command)
    const wall = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpu)
    model.dispose()
    return { wall, cpu: (user + system) / 1e6, steps: command.steps * command.epochs, losses }
  },
})
