import {
  cache, dayOfWeek, features, greaterThan, hourOfDay, join, label, pipe, rename, split, standardize, vocabulary, type Stream,
} from '@millrace/core'
import { readCsv } from '@millrace/formats'
import { airport, type flight } from '../quickstart/schemas.js'

/** Where `vega-datasets` keeps its files. */
export const source = 'node_modules/vega-datasets/data'

const airports = readCsv(`${source}/airports.csv`, { schema: airport })

/** Flights with the states of both airports, split by time: the last fifth is for the test. */
export const partsOf = (flights: Stream<typeof flight, 'cold'>) => {
  const journeys = pipe(
    flights,
    join(airports, { left: 'origin', right: 'iata', kind: 'left' }),
    rename({ state: 'originState' }),
    join(airports, { left: 'destination', right: 'iata', kind: 'left' }),
    rename({ state: 'destinationState' }),
    cache(),
  )
  return pipe(journeys, split({ train: 0.8, test: 0.2 }, { byTime: 'date' }))
}

const codes = { topK: 250, minFrequency: 10, oovBuckets: 1 }
const states = { topK: 60, oovBuckets: 1 }

/** As in the quickstart. */
export const spec = features({
  origin: vocabulary(codes),
  destination: vocabulary(codes),
  originState: vocabulary(states),
  destinationState: vocabulary(states),
  distance: standardize(),
  hour: hourOfDay({ from: 'date' }),
  weekday: dayOfWeek({ from: 'date' }),
  late: label(greaterThan(15, { from: 'delay' })),
})
