import { resolve } from 'node:path'
import { peerLibrary } from '../../test/support/session-servers.js'
import type { FitCommand, FitCost } from '../in-process-contender.js'
import { measure } from '../harness/measure.js'
import { startContender, startPython, startTfjsNode, type Program } from '../harness/program.js'
import type { BenchRow } from '../harness/rows.js'
import { requireSameLosses, stepRows } from '../harness/steps.js'
import type { SuiteContext } from '../run.js'
import { fitModels } from './in-process-model.js'

const SUITE = 'parameter-servers'

/** A model, and the rows of its steps. */
interface FitCase {
  readonly model: string
  readonly batch: number
  /** Of an epoch. */
  readonly steps: number
}

const cases: { readonly [name: string]: FitCase } = {
  'in-process, train(), embedding 100,000 × 16, batches of 512': { model: 'embedding', batch: 512, steps: 1000 },
  'in-process, train(), embedding 100,000 × 16, batches of 128': { model: 'embedding', batch: 128, steps: 2000 },
  'in-process, train(), flights, batches of 128': { model: 'flights', batch: 128, steps: 2000 },
}
const EPOCHS = 2

/** Who trains, and what of the work: a slow one does less. */
interface Entrant {
  readonly name: string
  readonly program: Program
  readonly asked?: object
  /** Share of the steps. */
  readonly share?: number
}

const entrants = ({ python, say }: SuiteContext): readonly Entrant[] => {
  const present = (name: string, program: Program | { readonly lacks: string }, more: Omit<Entrant, 'name' | 'program'> = {}): Entrant[] => {
    if (!('lacks' in program)) return [{ name, program, ...more }]
    say(`without ${name}: ${program.lacks}`)
    return []
  }
  const keras = (): Program | { readonly lacks: string } => (python ? startPython(resolve('bench/peers/in_process.py'), 'tensorflow') : { lacks: 'left out' })
  return [
    ...present('Millrace', startContender('ours', { program: 'in-process-contender' })),
    ...present('Keras', keras()),
    ...present('Keras, 50 steps an execution', keras(), { asked: { stepsPerExecution: 50 } }),
    ...present('tfjs-node', startTfjsNode('in-process-contender', ['tfjs-node']), { share: 0.2 }),
  ]
}

/** Steps that all contenders make, and whose losses have to agree, before any is timed. */
const CHECKED_STEPS = 20

/**
 * Training on one machine as people call it: `train()` on a stream of columns in memory, against `fit` of Keras on arrays and of
 * TensorFlow.js on tensors. What is timed is the whole call, of two epochs: our graph and session are made in it anew each time,
 * while Keras' function was traced before.
 */
export const inProcessSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const all = entrants(context)
  const library = peerLibrary()
  try {
    const rows: BenchRow[] = []
    for (const [name, { model, batch, steps }] of Object.entries(cases).filter(([one]) => one.includes(context.only))) {
      const ask = ({ program, asked }: Entrant, count: number): Promise<FitCost> => {
        const command: FitCommand = { do: 'fit', model, batch, steps: count, epochs: EPOCHS, library }
        return program.ask<FitCost>({ ...command, name: model, spec: fitModels[model]!, ...asked })
      }
      const [ours, ...peers] = all as [Entrant, ...Entrant[]]
      const due = await ask(ours, CHECKED_STEPS)
      for (const peer of peers) requireSameLosses(name, due.losses, peer.name, (await ask(peer, CHECKED_STEPS)).losses)
      const contenders = all.map((entrant) => ({ name: entrant.name, run: () => ask(entrant, Math.max(1, Math.round(steps * context.scale * (entrant.share ?? 1)))) }))
      const costs = await measure(contenders, { turns: context.turns, warmUps: Math.min(2, context.turns) })
      rows.push(...peers.flatMap((peer) => stepRows({ suite: SUITE, case: name, peerName: peer.name }, costs.get(ours.name)!, costs.get(peer.name)!)))
    }
    return rows
  } finally {
    for (const { program } of all) program.close()
  }
}
