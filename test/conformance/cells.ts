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

/** The suite of each storage: it calls `storageConformance` or `readsEveryFormat`, which test the cells of its column. */
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
  { name: 'Hive', read: { suite: 'test/peers/hive.test.ts', calls: "describe('readHive conforms'" }, write: { reason: 'HiveServer2 has no bulk load: write Parquet files or folders with partitions to the place of the table, on HDFS or an object store' } },
]

/** The table of formats as Markdown, with the reasons of what is not applicable below it. */
export const formatsTable = (): string => {
  const reasons: string[] = []
  const cell = (test: string | undefined, reason: string | undefined): string => {
    if (test !== undefined) return '✓'
    if (!reasons.includes(reason!)) reasons.push(reason!)
    return `n/a [${reasons.indexOf(reason!) + 1}]`
  }
  const storageCell = (format: FileFormat, scheme: Scheme, direction: Direction): string => {
    const reason = notApplicable(format, scheme, direction)
    return cell(reason === undefined ? storageSuites[scheme] : undefined, reason)
  }
  const serviceCell = (found: ServiceCell): string => cell('suite' in found ? found.suite : undefined, 'reason' in found ? found.reason : undefined)
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
  ]
  return lines.join('\n')
}
