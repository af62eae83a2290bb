import { expandInputs, field, job, type Job, type Schema } from '@millrace/core'
import { namedColumns, noHeader } from './csv-columns.js'
import { resolveCsvOptions, type CsvOptions } from './csv-options.js'
import { readHeader } from './read-csv.js'

/**
 * The columns that a delimited file names in its header, each of them `utf8`, `column_2` where the third has no name: what `readCsv` gives without a schema. Of several
 * files, those of the first that is not empty.
 *
 * @throws `Corrupt` CSV_NO_HEADER where there is none
 * @example
 * const flights = readCsv('flights.csv', { schema: { ...(await run(csvSchema('flights.csv'))), delay: field.int32() } })
 */
export const csvSchema = (source: string | readonly string[], options: Omit<CsvOptions, 'header' | 'columns'> = {}): Job<Schema> =>
  job(async ({ signal }) => {
    const files = await expandInputs(source, signal)
    const resolved = resolveCsvOptions(options)
    for (const file of files) {
      const names = await readHeader(file, resolved, signal)
      if (names !== undefined) return Object.fromEntries(namedColumns(names).map((name) => [name, field.utf8()]))
    }
    throw noHeader(files[0]!.url)
  })
