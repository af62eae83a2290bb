import type { FittedFeature, TimeParams } from '@millrace/core'
import type { Graph, Tensor } from '../../graph/index.js'
import { cast, type FeatureLowering } from './feature-context.js'

const unitsPerSecond = { s: 1, ms: 1_000, us: 1_000_000, ns: 1_000_000_000 } as const
const DAY = 86_400
const HOUR = 3_600
/** 1970-01-01 was a Thursday, and Sunday is 0. */
const FIRST_DAY = 4

/** Units of the raw column in a number of seconds: of a timestamp's own unit, or of a date's days. */
const unitsIn = (feature: FittedFeature, seconds: number): number =>
  feature.input.kind === 'date' ? seconds / DAY : unitsPerSecond[feature.input.params.unit ?? 'ms'] * seconds

const divide = (graph: Graph, x: Tensor, by: number): Tensor => (by === 1 ? x : graph.one('FloorDiv', [x, graph.scalar('int64', by)]))

const modulo = (graph: Graph, x: Tensor, by: number): Tensor => cast(graph, graph.one('FloorMod', [x, graph.scalar('int64', by)]), 'int32')

const fillOf = (feature: FittedFeature): number => (feature as FittedFeature<null, TimeParams>).params.fill ?? 0

/** The hour of a timestamp, 0 to 23 UTC. */
export const lowerHourOfDay: FeatureLowering = {
  lower: ({ graph, feature }, raw) => modulo(graph, divide(graph, raw, unitsIn(feature, HOUR)), 24),
  missing: (feature) => fillOf(feature) * unitsIn(feature, HOUR),
}

/** The day of a timestamp's or date's week in UTC, 0 for Sunday to 6. */
export const lowerDayOfWeek: FeatureLowering = {
  lower: ({ graph, feature }, raw) => {
    const days = divide(graph, raw, unitsIn(feature, DAY))
    return modulo(graph, graph.one('AddV2', [days, graph.scalar('int64', FIRST_DAY)]), 7)
  },
  missing: (feature) => ((fillOf(feature) - FIRST_DAY + 7) % 7) * unitsIn(feature, DAY),
}
