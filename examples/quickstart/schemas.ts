import { field } from '@millrace/core'

/** A flight within the United States, 2001 (Bureau of Transportation Statistics, by way of `vega-datasets`). */
export const flight = {
  date: field.timestamp({ format: 'yyyy/MM/dd HH:mm' }),
  delay: field.int32(),
  distance: field.float32(),
  origin: field.utf8(),
  destination: field.utf8(),
}

/** The state that an airport is in. */
export const airport = { iata: field.utf8(), state: field.utf8() }
