import { expandInputs, field, job, type Job, type Schema } from '@millrace/core'
import { resolveCsvOptions, type CsvOptions } from './csv-options.js'
import { readHeader } from './read-csv.js'

/**
 * The columns that a delimited file names in its header, each of them `utf8`: what `readCsv` gives without a schema. Of several
 * files, the first one's.
 *
 * @example
 * const flights = readCsv('flights.csv', { schema: { ...(await run(csvSchema('flights.csv'))), delay: field.int32() } })
 */
export const csvSchema = (source: string | readonly string[], options: Omit<CsvOptions, 'header' | 'columns'> = {}): Job<Schema> =>
  job(async ({ signal }) => {
    const [first] = await expandInputs(source, signal)
    const names = (await readHeader(first!, resolveCsvOptions(options), signal)) ?? []
    return Object.fromEntries(names.map((name) => [name, field.utf8()]))
  })
