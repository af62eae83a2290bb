import type { FittedFeature, OneHotParams, OneHotState } from '@millrace/core'
import type { FeatureLowering } from './feature-context.js'

/** 1 at the index of the inner feature, or of the integer itself; an index outside `0 … depth - 1` gives zeros only. */
export const lowerOneHot: FeatureLowering = {
  lower: ({ graph, feature, inner }, raw) => {
    const { depth } = (feature as FittedFeature<OneHotState, OneHotParams>).state
    const index = feature.inner === undefined ? raw : inner(raw)
    return graph.one('OneHot', [
      index,
      graph.scalar('int32', depth, 'depth'),
      graph.scalar('float32', 1, 'on'),
      graph.scalar('float32', 0, 'off'),
    ])
  },
  missing: (_feature, inner) => (inner === undefined ? -1 : inner()),
}
