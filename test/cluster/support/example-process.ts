import { buildProgram } from '../../support/program.js'
import type { examples } from './examples.js'

/** Options of the program, beside `TF_CONFIG`. */
export interface ExampleOptions {
  readonly example: keyof typeof examples
  readonly batchSize: number
  readonly steps: number
  readonly checkpoints: string
  readonly everySteps: number
  /** As the chief: file for the weights at the end, float32, one tensor after another. */
  readonly weights?: string
}

/** A worker of an example's training whose server runs elsewhere, in step with the others: the client that feeds and drives it. */
const program = `
  import { writeFileSync } from 'node:fs'
  import { chooseBackend, pipe, run } from '@millrace/core'
  import { clusterFromEnv, trainOnCluster } from '@millrace/distributed'
  import { examples } from './test/cluster/support/examples.ts'
  const say = (what) => process.stdout.write(JSON.stringify(what) + '\\n')
  const { example, batchSize, steps, checkpoints, everySteps, weights } = JSON.parse(process.env.OPTIONS)
  await run(chooseBackend())
  const { inputs, make, label, train } = await examples[example]()
  const model = make()
  try {
    const report = await run(trainOnCluster(model, clusterFromEnv(), {
      data: pipe(train, inputs.apply), label, batchSize, steps, synchronous: {}, server: 'external', checkpoints: { folder: checkpoints, everySteps },
      recovery: { stepTimeoutMs: 5_000, timeoutMs: 90_000, backoffMs: 50 },
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
