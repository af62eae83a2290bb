import { fileFormats, type FileFormat } from './records.js'

/** Storages, in the order of the table. */
export const schemes = ['file', 'http(s)', 's3', 'gs', 'hdfs'] as const
export type Scheme = (typeof schemes)[number]
export type Direction = 'read' | 'write'

/** Why a format is not read or written at a storage, where it is not. */
const notApplicable = (format: FileFormat, scheme: Scheme, direction: Direction): string | undefined => {
  if (direction === 'read') return undefined
  if (scheme === 'http(s)') return 'http has no way to write a file that all servers know'
  return undefined
}

/** The formats that a storage's suite tests in a direction: all cells of the table but those that are not applicable. */
export const cellsOf = (scheme: Scheme, direction: Direction): readonly FileFormat[] => fileFormats.filter((format) => notApplicable(format, scheme, direction) === undefined)

/** What the tests of a cell are called: by it the table finds them. `every format`: tests that are of all cells of a column at once. */
export const cellName = (format: FileFormat | 'every format', direction: Direction, scheme: Scheme): string => `${format}, ${direction}, ${scheme}`

/** A test as `vitest list` gives it, its groups and its own title in one. */
export interface ListedTest {
  readonly name: string
  readonly file: string
}

/** The titles of the tests of a cell, among those that there are. */
export const testsOf = (tests: readonly ListedTest[], format: FileFormat, direction: Direction, scheme: Scheme): readonly string[] =>
  tests.flatMap(({ name, file }) => {
    const [title, ...groups] = name.split(' > ').reverse()
    const isOfCell = groups.includes(cellName(format, direction, scheme)) || groups.includes(cellName('every format', direction, scheme))
    return isOfCell && file.endsWith(storageSuites[scheme]) ? [title!] : []
  })

/** Titles without their numbers, each once. */
const properties = (titles: readonly string[]): readonly string[] => [...new Set(titles.map((title) => title.replace(/\+?\b(\d+|undefined)\b/g, '*n*')))]

/** The suite of each storage, in which the tests of the cells of its column are. */
export const storageSuites: Readonly<Record<Scheme, string>> = {
  file: 'test/conformance/storage-file.test.ts',
  'http(s)': 'test/conformance/storage-http.test.ts',
  s3: 'test/peers/storage-s3.test.ts',
  gs: 'test/peers/storage-gcs.test.ts',
  hdfs: 'test/peers/storage-hdfs.test.ts',
}

/** A test by what the source of its file calls it, or why there is none. */
type ServiceCell = { readonly suite: string; readonly calls: string } | { readonly reason: string }

/** Services that are sources and targets themselves, without a storage below. */
export const services: readonly { readonly name: string; readonly read: ServiceCell; readonly write: ServiceCell }[] = [
  { name: 'PostgreSQL', read: { suite: 'test/peers/sql-postgres.test.ts', calls: 'sqlSuite(' }, write: { suite: 'test/peers/sql-postgres.test.ts', calls: 'sqlSuite(' } },
  { name: 'MySQL, MariaDB', read: { suite: 'test/peers/sql-mysql.test.ts', calls: 'sqlSuite(' }, write: { suite: 'test/peers/sql-mysql.test.ts', calls: 'sqlSuite(' } },
  { name: 'Hive', read: { suite: 'test/peers/hive.test.ts', calls: "describe('readHive conforms'" }, write: { suite: 'test/peers/hive.test.ts', calls: 'hiveWriteSuite(' } },
]

/**
 * The table of formats as Markdown, with the reasons of what is not applicable below it, and what the tests of a cell show.
 *
 * @param tests - of the suites: a cell without one has no mark
 */
export const formatsTable = (tests: readonly ListedTest[]): string => {
  const reasons: string[] = []
  const cell = (isTested: boolean, reason: string | undefined): string => {
    if (isTested && reason === undefined) return '✓'
    if (isTested || reason === undefined) return '?'
    if (!reasons.includes(reason)) reasons.push(reason)
    return `n/a [${reasons.indexOf(reason) + 1}]`
  }
  const storageCell = (format: FileFormat, scheme: Scheme, direction: Direction): string => cell(testsOf(tests, format, direction, scheme).length > 0, notApplicable(format, scheme, direction))
  const serviceCell = (found: ServiceCell): string => cell('suite' in found, 'reason' in found ? found.reason : undefined)
  const shown = (direction: Direction): readonly string[] => properties(schemes.flatMap((scheme) => fileFormats.flatMap((format) => testsOf(tests, format, direction, scheme)))).map((title) => `- ${title}`)
  const link = (name: string, path: string): string => `[${name}](../../${path})`
  const lines = [
    `| format | direction | ${schemes.map((scheme) => link(scheme, storageSuites[scheme])).join(' | ')} |`,
    `| --- | --- |${schemes.map(() => ' --- |').join('')}`,
    ...fileFormats.flatMap((format) => (['read', 'write'] as const).map((direction) => `| ${format} | ${direction} | ${schemes.map((scheme) => storageCell(format, scheme, direction)).join(' | ')} |`)),
    '',
    '| service | read | write |',
    '| --- | --- | --- |',
    ...services.map(({ name, read, write }) => `| ${'suite' in read ? link(name, read.suite) : name} | ${serviceCell(read)} | ${serviceCell(write)} |`),
    '',
    'SQL servers and Hive have no storage axis: they keep the data themselves.',
    '',
    ...reasons.map((reason, i) => `${i + 1}. ${reason}.`),
    '',
    'What the tests of each cell show of a file that is read, with several numbers *n*:',
    '',
    ...shown('read'),
    '',
    'And of one that is written:',
    '',
    ...shown('write'),
  ]
  return lines.join('\n')
}
