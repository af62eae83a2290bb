import { fixedColumn } from '../../columns/index.js'
import { field, type Int32 } from '../../schema/index.js'
import type { DayLike } from '../accepts.js'
import type { Feature } from '../feature.js'
import { defineKind, definedParams, refuseFeature, requireInteger, type FromOption } from './define-kind.js'
import type { TimeParams } from './hour-of-day.js'
import { floorMod, floorToSeconds } from './times.js'

/** Options of {@link dayOfWeek}. */
export interface DayOfWeekOptions<From extends string | undefined> extends FromOption<From> {
  /** Day that nulls get. Default 0, Sunday. */
  readonly fill?: number | undefined
}

/** 1970-01-01 was a Thursday. */
const FIRST_DAY = 4

/** A timestamp or date to the int32 day of its week in UTC: 0 is Sunday, 6 Saturday. */
export const dayOfWeek = <const From extends string | undefined = undefined>(options: DayOfWeekOptions<From> = {}): Feature<DayLike, Int32, From, 'input'> => {
  requireInteger('dayOfWeek', 'fill', options.fill, 0)
  if (options.fill !== undefined && options.fill > 6) refuseFeature('dayOfWeek: fill is a day, 0 to 6')
  return { kind: 'dayOfWeek', from: options.from as From, role: 'input', inner: undefined, params: definedParams({ fill: options.fill }) }
}

export const dayOfWeekKind = defineKind<TimeParams, null>({
  kind: 'dayOfWeek',
  takes: ['timestamp', 'date'],
  describe: () => ({ output: field.int32(), cardinality: 7 }),
  compile: ({ params }) => (column) => {
    const days = floorToSeconds(column, 86_400)
    const out = new Int32Array(days.length)
    for (let row = 0; row < out.length; row++) out[row] = column.isValid(row) ? floorMod(days[row]! + FIRST_DAY, 7) : params.fill ?? 0
    return fixedColumn(field.int32(), out)
  },
})
