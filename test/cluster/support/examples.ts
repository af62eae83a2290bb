import type * as tf from '@tensorflow/tfjs'
import { cache, pipe, run, shuffle, type FittedFeatures, type Stream } from '@millrace/core'
import { adam, piecewiseConstant, type Optimizer } from '@millrace/distributed'
import { readJson } from '@millrace/formats'
import { partsOf, source, spec as flightSpec } from '../../../examples/cluster/flights.js'
import { delayModel } from '../../../examples/quickstart/model.js'
import { flight } from '../../../examples/quickstart/schemas.js'
import { parts, spec as mailSpec } from '../../../examples/spam/mails.js'
import { spamModel } from '../../../examples/spam/model.js'

/** How an example is trained, by one machine or by several: with the same rows as often, in as many updates. */
export interface Recipe {
  readonly make: (inputs: FittedFeatures) => tf.LayersModel
  readonly label: string
  /** Rows of an update of one machine. Workers in step have as many together, the others each. */
  readonly rows: number
  /** Learning rate of each epoch. */
  readonly rates: readonly number[]
  /** The same by steps. */
  readonly optimizer: Optimizer
}

/** An example's model and rows. */
export interface Example extends Omit<Recipe, 'make'> {
  readonly name: keyof typeof recipes
  readonly inputs: FittedFeatures
  readonly make: () => tf.LayersModel
  /** Raw rows, in the order in which one machine takes them. */
  readonly train: Stream<Stream['schema'], 'cold'>
  readonly test: Stream<Stream['schema'], 'cold'>
}

/** Adam with one rate after another, each for an epoch of so many updates. */
const falling = (updates: number, rates: readonly number[]): Pick<Recipe, 'rates' | 'optimizer'> => {
  const learningRate = piecewiseConstant({ boundaries: rates.slice(1).map((_, epoch) => (epoch + 1) * updates - 1), values: rates })
  return { rates, optimizer: adam({ learningRate, sparse: 'lazy-parts' }) }
}

export const recipes = {
  /**
   * In large batches, so that what a worker's batch and dropout happen to hold hardly matters, and with small rates at the end: after
   * faults, rows come in another order, and with a full rate the last of them moved the AUC by 1.5 %.
   */
  flights: { make: (inputs) => delayModel(inputs, { seed: 1, l2: 1e-3 }), label: 'late', rows: 512, ...falling(32, [...Array<number>(9).fill(0.003), 0.001, 0.001, 0.0003]) },
  /**
   * At a full rate the log loss of a model that is nearly always right, which hangs on a few mails, goes up and down by a tenth from step
   * to step, on one machine as well; so the last epochs have small ones.
   */
  mails: { make: (inputs) => spamModel(inputs), label: 'spam', rows: 64, ...falling(68, [0.005, 0.005, 0.005, 0.005, 0.001, 0.0002]) },
} satisfies Record<string, Recipe>

/** Flights of the quickstart, mixed. */
export const flights = async (): Promise<Example> => {
  const { train, test } = partsOf(readJson(`${source}/flights-20k.json`, { schema: flight }))
  const inputs = await run(flightSpec.fit(train))
  return { ...recipes.flights, name: 'flights', inputs, make: () => recipes.flights.make(inputs), train: pipe(train, shuffle({ seed: 1 }), cache()), test }
}

export const mails = async (): Promise<Example> => {
  const inputs = await run(mailSpec.fit(parts.train))
  return { ...recipes.mails, name: 'mails', inputs, make: () => recipes.mails.make(inputs), train: parts.train, test: parts.test }
}

export const examples = { flights, mails }
