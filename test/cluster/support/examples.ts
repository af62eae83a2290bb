import type * as tf from '@tensorflow/tfjs'
import { cache, pipe, run, shuffle, type FittedFeatures, type Stream } from '@millrace/core'
import { readJson } from '@millrace/formats'
import { partsOf, source, spec as flightSpec } from '../../../examples/cluster/flights.js'
import { delayModel } from '../../../examples/quickstart/model.js'
import { flight } from '../../../examples/quickstart/schemas.js'
import { parts, spec as mailSpec } from '../../../examples/spam/mails.js'
import { spamModel } from '../../../examples/spam/model.js'

/** An example's model and rows. */
export interface Example {
  readonly name: string
  readonly inputs: FittedFeatures
  readonly make: () => tf.LayersModel
  readonly label: string
  readonly train: Stream<Stream['schema'], 'cold'>
  readonly test: Stream<Stream['schema'], 'cold'>
}

export const flights = async (): Promise<Example> => {
  const { train, test } = partsOf(readJson(`${source}/flights-20k.json`, { schema: flight }))
  const inputs = await run(flightSpec.fit(train))
  return { name: 'flights', inputs, make: () => delayModel(inputs, { seed: 1, l2: 1e-3 }), label: 'late', train: pipe(train, shuffle({ seed: 1 }), cache()), test }
}

export const mails = async (): Promise<Example> => {
  const inputs = await run(mailSpec.fit(parts.train))
  return { name: 'mails', inputs, make: () => spamModel(inputs), label: 'spam', train: parts.train, test: parts.test }
}

export const examples = { flights, mails }
