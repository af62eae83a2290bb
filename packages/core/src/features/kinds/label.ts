import type { Field } from '../../schema/index.js'
import type { Feature, FeatureRole } from '../feature.js'

/** Marks a feature as what the model is to predict: it is applied in training and left out of what is served. */
export const label = <In extends Field, Out extends Field, const From extends string | undefined>(
  feature: Feature<In, Out, From, FeatureRole>,
): Feature<In, Out, From, 'label'> => ({ ...feature, role: 'label' }) as Feature<In, Out, From, 'label'>
