import { fixedColumn } from '../../columns/index.js'
import { field, type Int32 } from '../../schema/index.js'
import type { TimestampLike } from '../accepts.js'
import type { Feature } from '../feature.js'
import { defineKind, definedParams, refuseFeature, requireInteger, type FromOption } from './define-kind.js'
import { floorMod, floorToSeconds } from './times.js'

/** Parameters of `hourOfDay` and `dayOfWeek`: what a null becomes. */
export type TimeParams = { readonly fill?: number }

/** Options of {@link hourOfDay}. */
export interface HourOfDayOptions<From extends string | undefined> extends FromOption<From> {
  /** Hour that nulls get. Default 0. */
  readonly fill?: number | undefined
}

/** A timestamp to the int32 hour of its day in UTC, 0 to 23. */
export const hourOfDay = <const From extends string | undefined = undefined>(options: HourOfDayOptions<From> = {}): Feature<TimestampLike, Int32, From, 'input'> => {
  requireInteger('hourOfDay', 'fill', options.fill, 0)
  if (options.fill !== undefined && options.fill > 23) refuseFeature('hourOfDay: fill is an hour, 0 to 23')
  return { kind: 'hourOfDay', from: options.from as From, role: 'input', inner: undefined, params: definedParams({ fill: options.fill }) }
}

export const hourOfDayKind = defineKind<TimeParams, null>({
  kind: 'hourOfDay',
  takes: ['timestamp'],
  describe: () => ({ output: field.int32(), cardinality: 24 }),
  compile: ({ params }) => (column) => {
    const hours = floorToSeconds(column, 3600)
    const out = new Int32Array(hours.length)
    for (let row = 0; row < out.length; row++) out[row] = column.isValid(row) ? floorMod(hours[row]!, 24) : params.fill ?? 0
    return fixedColumn(field.int32(), out)
  },
})
