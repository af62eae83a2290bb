import { failure, type Field } from '@millrace/core'
import { featureShape } from '../example/feature-kinds.js'

/**
 * The field of one step of a feature list: a scalar where each step has one value, a list where it has any number, or a fixed one.
 *
 * @throws `Schema` for a field that is no list of such
 */
export const stepField = (name: string, field: Field): Field => {
  const item = field.kind === 'list' ? field.params.item! : undefined
  if (item === undefined || item.nullable) {
    throw failure({
      tag: 'Schema',
      code: 'FEATURE_LIST_KIND',
      problem: item === undefined ? `a ${field.kind} cannot be kept in a feature list` : 'a step of a feature list cannot be null',
      remedy: 'Declare a list of what one step holds: field.list(field.float32()), or field.list(field.list(field.float32())) for several values a step.',
      position: { column: name },
    })
  }
  featureShape(name, item)
  return item
}
