import type { FittedFeature } from './feature.js'

/** Tokens of a fitted vocabulary, or of the one inside; `undefined` where there is none. */
export const vocabularyOf = (fitted: FittedFeature): readonly string[] | undefined => {
  if (fitted.kind === 'vocabulary' || fitted.kind === 'words') return (fitted.state as { readonly tokens: readonly string[] }).tokens
  return fitted.inner === undefined ? undefined : vocabularyOf(fitted.inner)
}
