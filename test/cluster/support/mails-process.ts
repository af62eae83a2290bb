import { buildProgram } from '../../support/program.js'

/** Options of the program, beside `TF_CONFIG`. */
export interface MailsOptions {
  readonly batchSize: number
  readonly steps: number
  readonly checkpoints: string
  readonly everySteps: number
  /** As the chief: file for the weights at the end, float32, one tensor after another. */
  readonly weights?: string
}

/** A worker of the mails' training whose server runs elsewhere, in step with the others: the client that feeds and drives it. */
const program = `
  import { writeFileSync } from 'node:fs'
  import { chooseBackend, pipe, run } from '@millrace/core'
  import { clusterFromEnv, trainOnCluster } from '@millrace/distributed'
  import { parts, spec } from './examples/spam/mails.ts'
  import { spamModel } from './examples/spam/model.ts'
  const say = (what) => process.stdout.write(JSON.stringify(what) + '\\n')
  const { batchSize, steps, checkpoints, everySteps, weights } = JSON.parse(process.env.OPTIONS)
  await run(chooseBackend())
  const inputs = await run(spec.fit(parts.train))
  const model = spamModel(inputs)
  try {
    const report = await run(trainOnCluster(model, clusterFromEnv(), {
      data: pipe(parts.train, inputs.apply), label: 'spam', batchSize, steps, synchronous: {}, server: 'external', checkpoints: { folder: checkpoints, everySteps },
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
export const buildMails = (): Promise<string> => buildProgram(program, 'mails-task')
