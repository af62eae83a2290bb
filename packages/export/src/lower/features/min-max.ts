import type { FillParams, FittedFeature, MinMaxState } from '@millrace/core'
import { cast, missingNumber, type FeatureLowering } from './feature-context.js'

type MinMax = FittedFeature<MinMaxState, FillParams>

/** `(x - min) / (max - min)` in float32, or the sigmoid of `x` where the fit saw one value only. */
export const lowerMinMax: FeatureLowering = {
  lower: ({ graph, feature }, raw) => {
    const { state } = feature as MinMax
    const min = Math.fround(state.min)
    const range = Math.fround(Math.fround(state.max) - min)
    const x = cast(graph, raw, 'float32')
    if (!(range > 0)) return graph.one('Sigmoid', [x])
    const above = graph.one('Sub', [x, graph.scalar('float32', min, 'min')])
    return graph.one('RealDiv', [above, graph.scalar('float32', range, 'range')])
  },
  missing: (feature) => missingNumber(feature, (feature as MinMax).params.fill ?? (feature as MinMax).state.min),
}
