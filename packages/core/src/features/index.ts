export type { Analyzer, Feature, FeatureKind, FeatureRole, FittedFeature } from './feature.js'
