import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipe, run } from '@millrace/core'
import { writeTfRecords } from '@millrace/formats'
import { buildProgram } from '../../support/program.js'
import type { Example } from './examples.js'
import type { Mode } from './exported.js'

/** An example's rows with features applied, as files, since a process takes long to make them of mails. */
export interface PreparedExample {
  readonly example: Example['name']
  /** Paths of the fitted features, and of the training's rows. */
  readonly features: string
  readonly records: string
}

/** @param folder - where the files are to be */
export const prepareExample = async ({ name, inputs, train }: Example, folder: string): Promise<PreparedExample> => {
  const features = join(folder, `${name}-features.json`)
  await writeFile(features, JSON.stringify(inputs))
  const { files } = await run(pipe(train, inputs.apply, writeTfRecords(join(folder, `${name}-prepared`), { shards: 1 })))
  return { example: name, features, records: files[0]! }
}

/** Options of the program, beside `TF_CONFIG`. */
export interface ExampleOptions extends PreparedExample {
  readonly mode: Mode
  readonly checkpoints: string
  readonly everySteps: number
  /** Who runs the server of the task: something else, or this process. */
  readonly server: 'external' | 'host'
  readonly stepTimeoutMs: number
  /** As the chief: file for the weights at the end, float32, one tensor after another. */
  readonly weights?: string
  /** While there is a file of this name, rows are hard to come by. */
  readonly slowWhile?: string
}

/** A worker of an example's training: the client that feeds and drives it. */
const program = `
  import { existsSync, readFileSync, writeFileSync } from 'node:fs'
  import { setTimeout as sleep } from 'node:timers/promises'
  import { chooseBackend, featuresFromJSON, pipe, rebatch, run, tapBatches } from '@millrace/core'
  import { clusterFromEnv, trainOnCluster } from '@millrace/distributed'
  import { readTfRecords } from '@millrace/formats'
  import { recipes } from './test/cluster/support/examples.ts'
  const say = (what) => process.stdout.write(JSON.stringify(what) + '\\n')
  const { example, features, records, mode, checkpoints, everySteps, server, stepTimeoutMs, weights, slowWhile } = JSON.parse(process.env.OPTIONS)
  await run(chooseBackend())
  const { make, label, rows, rates, optimizer } = recipes[example]
  const inputs = featuresFromJSON(readFileSync(features, 'utf8'))
  const slow = async () => { if (slowWhile !== undefined && existsSync(slowWhile)) await sleep(250) }
  const model = make(inputs)
  try {
    const report = await run(trainOnCluster(model, clusterFromEnv(), {
      data: pipe(readTfRecords(records, { schema: inputs.output }), rebatch(2 * rows), tapBatches(slow)), label, optimizer, batchSize: mode === 'in step' ? rows / 2 : rows, epochs: rates.length,
      synchronous: mode === 'in step' ? {} : undefined, server, library: process.env.LIBTENSORFLOW, checkpoints: { folder: checkpoints, everySteps },
      recovery: { stepTimeoutMs, timeoutMs: 90_000, backoffMs: 50 },
      onStep: ({ globalStep, worker }) => say({ step: globalStep, worker }),
      onCheckpoint: ({ step }) => say({ checkpoint: step }),
      onRecovery: (recovery) => say({ recovery }),
    }))
    if (weights !== undefined) writeFileSync(weights, Buffer.concat(model.getWeights().map((one) => Buffer.from(one.dataSync().slice().buffer))))
    say({ report, counts: [] })
  } catch (thrown) {
    say({ error: thrown.message })
  }
  process.stdout.write('', () => process.kill(process.pid, 'SIGKILL'))
`

/** Builds the program, once for a file of tests. */
export const buildExample = (): Promise<string> => buildProgram(program, 'example-task')
