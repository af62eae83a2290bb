export { readCsv } from './read-csv.js'
export { csvSchema } from './csv-schema.js'
export type { CsvDialect, CsvOptions } from './csv-options.js'
