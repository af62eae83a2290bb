/**
 * The columnar parser against csv-parse and column builders: random dialects, schemas, tables, damage, chunks and batches; the same
 * rows, errors, quarantine and positions. A few seconds here; MILLRACE_CSV_FUZZ=100000 npx vitest run test/conformance/csv-differential.test.ts
 * is the long campaign, and MILLRACE_CSV_SEED=n begins it elsewhere.
 */
import { explainPlan, field, isMillraceError, type Batch, type Field, type Json, type Schema } from '@millrace/core'
import { readCsv, type CsvOptions, type RejectedRecord } from '@millrace/formats'
import { afterAll, expect, test } from 'vitest'
import { MemoryStorage } from './memory-storage.js'
import { Random } from './random.js'

const storage = new MemoryStorage()
afterAll(() => {
  storage.close()
})

type Options = CsvOptions & { readonly schema?: Schema | undefined }

const fields: readonly (() => Field)[] = [
  field.utf8, field.utf8, field.binary, field.bool, field.int8, field.int16, field.int32, field.int64, field.uint8, field.uint16, field.uint32, field.uint64,
  field.float32, field.float64, field.float64, () => field.dictionary(), () => field.dictionary(field.int32()), () => field.list(field.int32()),
  () => field.decimal(10, 2), () => field.decimal(38, 20), () => field.decimal(18, 0),
  () => field.date(), () => field.date({ format: 'dd.MM.yyyy' }), () => field.timestamp(), () => field.timestamp({ unit: 's' }), () => field.timestamp({ unit: 'us' }),
  () => field.timestamp({ unit: 'ns' }), () => field.timestamp({ format: 'yyyy/MM/dd HH:mm' }), () => field.timestamp({ format: 'yyyyMMddHHmmssSSS' }),
  () => field.timestamp({ zone: 'Europe/Berlin' }), () => field.timestamp({ format: 'yyyy,MM' }),
  () => field.date({ format: 'd.M.yyyy' }), () => field.timestamp({ format: 'yyyy/MM/dd H:mm', unit: 'us' }), () => field.timestamp({ format: 'yyyyMMddHHmmssSSSSSS', unit: 'us' }), () => field.timestamp({ format: 'epochSeconds' }),
]

const digits = (random: Random, most: number): string => Array.from({ length: 1 + random.below(most) }, () => random.below(10)).join('')

const number = (random: Random): string => {
  const sign = random.of(['', '', '', '-', '+'])
  switch (random.below(8)) {
    case 0: return sign + digits(random, 3)
    case 1: return sign + digits(random, 22)
    case 2: return `${sign}${digits(random, 3)}.${digits(random, 3)}`
    case 3: return `${sign}${digits(random, 10)}.${digits(random, 14)}`
    case 4: return `${sign}${random.of(['', '1', '0', '123456789012345678'])}${random.of(['.', ''])}${random.of(['', '5', '000001'])}${random.of(['e', 'E'])}${random.of(['', '-', '+'])}${digits(random, 3)}`
    case 5: return String((random.next() - 0.5) * 10 ** (random.below(40) - 20))
    case 6: return random.of(['127', '128', '-128', '-129', '255', '256', '65535', '65536', '2147483647', '2147483648', '-2147483648', '4294967295', '4294967296', '9007199254740993',
      '9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809', '18446744073709551615', '18446744073709551616', '0000000000000000000000012', '-0',
      '16777217', '16777217.0000000001', '1e23', '8.5e22', '2.2250738585072011e-308', '1.7976931348623157e308', '1.7976931348623159e308', '5e-324', '3.4028235677973366e38', '1e-46', '9007199254740993.0'])
    default: return random.of(['nan', 'NaN', 'inf', '-Inf', '+infinity', '-nan', 'infinit', '.', '1.', '.5', '5e', '1.2.3', '0x1f', '1_000', '1,5', '1.234,5', ''])
  }
}

const time = (random: Random): string => {
  const two = (limit: number): string => String(random.below(limit)).padStart(2, '0')
  const date = `${random.of(['1969', '2024', '1900', '0000', '9999', String(1900 + random.below(200))])}-${two(14)}-${two(33)}`
  switch (random.below(5)) {
    case 0: return date
    case 1: return `${date.replaceAll('-', '/')} ${two(25)}:${two(61)}`
    case 2: return `${two(33)}.${two(13)}.2024`
    case 3: return `${date.replaceAll('-', '')}${two(24)}${two(60)}${two(60)}${random.below(10)}${two(99)}`
    default: return `${date}${random.of(['T', ' ', 't', '  '])}${two(25)}:${two(61)}${random.of(['', `:${two(61)}`, `:${two(60)}.${digits(random, 10)}`, ':00,5'])}${random.of(['', 'Z', ' Z', '+01:00', '-0530', '+24:00', '+1', 'z'])}`
  }
}

const text = (random: Random): string =>
  Array.from({ length: random.below(random.chance(0.1) ? 60 : 8) }, () => random.of(['a', 'b', 'Z', '0', ' ', ' ', 'é', '漢', '😀', '\u00a0', '\t', '\ufeff', ',', ';', '"', "'", '\n', '\r\n', '\r', '\0', '#'])).join('')

const cell = (random: Random, { kind, params }: Field): string => {
  if (random.chance(0.08)) return ''
  if (random.chance(0.06)) return random.of(['NA', 'null', '-', 'N', ' '])
  if (random.chance(0.03)) return text(random)
  if (kind === 'utf8' || kind === 'binary') return text(random)
  if (kind === 'bool') return random.of(['true', 'False', '1', '0', 'T', 'f', 'YES', 'no', 'tru', 'yess', '2', 'falsey'])
  if (kind === 'date' || kind === 'timestamp') return time(random)
  if (kind === 'list') return random.of(['[]', '[1,2]', '[1', '[1.5]', '[-7]'])
  if (kind === 'dictionary') return params.item!.kind === 'utf8' ? random.of(['x', 'y', 'long one', 'é']) : random.of(['1', '22', '-3', 'x'])
  return number(random)
}

interface Case {
  readonly bytes: Uint8Array
  readonly options: Options
  readonly columns: readonly string[] | undefined
  readonly encodingBroken: boolean
}

const makeCase = (random: Random): Case => {
  const width = 1 + random.below(5)
  const schema: Record<string, Field> = {}
  const decent = random.chance(0.6)
  for (let i = 0; i < width; i++) {
    const made = random.of(fields)()
    schema[`c${i}`] = random.chance(0.5) ? field.nullable(made) : made
  }
  const delimiter = random.of([',', ',', ';', '\t', '|'])
  const quote = random.of(['"', '"', '"', "'", null])
  const newline = random.of(['\n', '\n', '\r\n', '\r'])
  const names = Object.keys(schema)
  const kept = random.chance(0.2) ? names.filter(() => random.chance(0.6)) : names
  const header = random.of([true, true, false, names])
  const isKept = header === false ? names : kept
  const options: Options = {
    delimiter, quote, header,
    schema: Object.fromEntries(isKept.map((name) => [name, schema[name]!])),
    ...(random.chance(0.1) ? { schema: undefined } : {}),
    ...(random.chance(0.3) ? { nullTokens: random.of([['NA'], ['', 'NA', 'null'], ['-'], ['N', 'NA', '']]) } : {}),
    ...(random.chance(0.2) ? { decimalComma: true } : {}),
    ...(random.chance(0.2) ? { trim: true } : {}),
    ...(random.chance(0.1) ? { comment: random.of(['#', '//']) } : {}),
    ...(random.chance(0.1) ? { recordDelimiter: random.of([['\n'], ['\r\n', '\n'], ['\r\n'], ['\r']]) } : {}),
    ...(random.chance(0.1) ? { finalNewline: 'required' as const } : {}),
    ...(random.chance(0.1) ? { maxFieldLength: random.of([3, 12]) } : {}),
    ...(random.chance(0.1) ? { maxRecordBytes: random.of([20, 60, 200]) } : {}),
    ...(random.chance(0.1) ? { skipLines: random.of([1, 2]) } : {}),
    ...(random.chance(0.1) && header === true && isKept.includes('c0') ? { columns: { c0: random.of(['c0', 'c1', 0, 1]) } } : {}),
    batchRows: random.of([1, 2, 5, 1000]),
  }
  const alwaysQuote = random.chance(0.2)
  const write = (value: string): string => {
    if (quote === null) return decent ? value.replaceAll(delimiter, ' ').replace(/[\r\n]/g, ' ') : value
    if (!alwaysQuote && !random.chance(0.1) && !(value.includes(delimiter) || value.includes(quote) || /[\r\n]/.test(value))) return value
    return decent || random.chance(0.9) ? `${quote}${value.replaceAll(quote, quote + quote)}${quote}` : value
  }
  const preamble = options.skipLines === undefined || random.chance(0.2) ? [] : random.of([['note'], ['"', ''], ['', 'a,"b', 'c']])
  const lines: string[] = header === true ? [...preamble, (random.chance(0.05) ? [names[0]!, ...names.slice(1, -1), names[0]!] : names).join(delimiter)] : [...preamble]
  for (let row = random.below(12); row > 0; row--) {
    if (random.chance(0.05)) lines.push(random.of(['', ' ', '#comment, "x', '//c']))
    const cells = names.map((name) => write(cell(random, schema[name]!)))
    if (random.chance(decent ? 0.02 : 0.1)) cells.push('more')
    if (random.chance(decent ? 0.02 : 0.1)) cells.pop()
    lines.push(cells.map((one) => (random.chance(0.1) ? ` ${one} ` : one)).join(delimiter))
  }
  const content = `${random.chance(0.05) ? '\ufeff' : ''}${lines.join(newline)}${random.chance(0.8) ? newline : ''}`
  const bytes = Uint8Array.from(Buffer.from(content))
  let encodingBroken = false
  if (!decent || random.chance(0.1)) {
    for (let flips = random.below(4); flips > 0 && bytes.length > 0; flips--) {
      const at = random.below(bytes.length)
      bytes[at] = random.chance(0.5) ? bytes[at]! ^ (1 << random.below(8)) : random.of([34, 44, 10, 13, 0, 255, 0xc3, 32, 39])
      encodingBroken = true
    }
  }
  return { bytes, options, columns: random.chance(0.1) ? names.filter(() => random.chance(0.5)) : undefined, encodingBroken }
}

interface Outcome {
  readonly rows: readonly unknown[]
  readonly batches: readonly unknown[]
  readonly rejected: readonly unknown[]
  readonly error: unknown
}

/** A value in a form that tells -0 from 0 and keeps every bit. */
const exact = (batch: Batch, name: string, row: number): unknown => {
  const value = (batch.row(row) as Record<string, unknown>)[name]
  if (value instanceof Date) {
    const column = (batch.columns as unknown as Record<string, { values?: ArrayLike<unknown> }>)[name]!
    return `${String(column.values?.[row])} ${value.getTime()}`
  }
  return Object.is(value, -0) ? '-0' : value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}

const told = (error: unknown): unknown => {
  if (!isMillraceError(error)) return error
  const { byte, line, record, column } = error.position
  // How many bytes of a record that is too long were seen depends on the chunks.
  return { tag: error._tag, code: error.code, message: error.code === 'CSV_RECORD_TOO_LONG' ? '' : error.message, byte, line, record, column }
}

const read = async (url: string, options: Options, columns: readonly string[] | undefined, policy: 'fail' | 'quarantine', from?: Json): Promise<Outcome> => {
  const rows: unknown[] = []
  const batches: unknown[] = []
  const rejected: unknown[] = []
  let error: unknown
  try {
    const quarantine = ({ source: _, raw, ...record }: RejectedRecord): void => void rejected.push({ ...record, raw: Buffer.from(raw!).toString('latin1') })
    const stream = readCsv(url, { ...options, onBadRecord: policy === 'fail' ? 'fail' : { quarantine } } as CsvOptions & { schema: Schema })
    for await (const batch of stream.open({ columns, from })) {
      batches.push({ size: batch.numRows, at: batch.position })
      const names = Object.keys(batch.schema)
      for (let row = 0; row < batch.numRows; row++) rows.push(names.map((name) => exact(batch as Batch, name, row)))
    }
  } catch (thrown) {
    error = told(thrown)
  }
  return { rows, batches, rejected, error }
}

/** Where a record is too long; `undefined` where none is. */
const tooLongAt = ({ error }: Outcome): number | undefined => {
  const { code, byte } = (error ?? {}) as { readonly code?: string; readonly byte?: number }
  return code === 'CSV_RECORD_TOO_LONG' ? byte : undefined
}

const isBad = ({ error, rejected }: Outcome): boolean => error !== undefined || rejected.length > 0

const compare = async (seed: number): Promise<boolean> => {
  const random = new Random(seed)
  for (let warmUp = 0; warmUp < 3; warmUp++) random.next()
  const { bytes, options, columns } = makeCase(random)
  const url = storage.put('case.csv', bytes)
  const policy = random.of(['fail', 'quarantine'] as const)
  storage.chunkBytes = 1 << 20
  const due = await read(url, { ...options, parser: 'csv-parse' }, columns, policy)
  for (const chunkBytes of [1 + random.below(12), 1 << 20]) {
    storage.chunkBytes = chunkBytes
    const got = await read(url, options, columns, policy)
    const context = `seed ${seed}, chunks of ${chunkBytes}: ${JSON.stringify(options)} ${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`
    // Whether a record is known to be too long or to have a stray quote first depends on how much of it is there.
    if (tooLongAt(got) !== tooLongAt(due) && isBad(got) && isBad(due)) {
      const [shorter, longer] = got.rows.length < due.rows.length ? [got, due] : [due, got]
      expect(longer.rows.slice(0, shorter.rows.length), context).toEqual(shorter.rows)
    } else expect(got, context).toEqual(due)
  }
  const positions = due.batches as readonly { readonly size: number; readonly at: Json }[]
  if (positions.length > 1 && due.error === undefined) {
    const i = random.below(positions.length)
    const rest = await read(url, options, columns, policy, positions[i]!.at)
    expect(rest.rows, `seed ${seed}, resumed after batch ${i}`).toEqual(due.rows.slice(positions.slice(0, i + 1).reduce((sum, { size }) => sum + size, 0)))
  }
  return explainPlan(readCsv(url, options as CsvOptions & { schema: Schema }).plan).includes('"parser":"columnar"')
}

const firstSeed = Number(process.env['MILLRACE_CSV_SEED'] ?? 20261125)

/** Decimal texts that are hard to round: of as many digits as floats have, and beside halves between two floats. */
const hardNumber = (random: Random): string => {
  const exponent = random.of(['', '', `e${random.below(80) - 40}`, `e${random.below(640) - 330}`])
  if (random.chance(0.4)) return `${random.below(1000)}.${digits(random, 17)}${exponent}`
  if (random.chance(0.3)) return `${digits(random, 19)}${exponent}`
  const value = (random.next() + random.next() / 2 ** 32) * 10 ** (random.below(70) - 35)
  if (random.chance(0.3)) return String(value)
  // Halfway between a float32 and the next one, exactly or nearly.
  const half = Math.fround(value) * (1 + 2 ** -24)
  return `${half >= 1e-6 && half < 1e20 ? half.toFixed(30) : half.toPrecision(60)}`.replace(/0+$/, '0') + random.of(['', '1', '000000000000000000001'])
}

test('numbers are the nearest floats, to the last bit', async () => {
  const random = new Random(firstSeed)
  const texts = Array.from({ length: 20_000 }, () => hardNumber(random)).filter((text) => Number.isFinite(Number(text)))
  const url = storage.put('numbers.csv', `d\n${texts.join('\n')}\n`)
  storage.chunkBytes = 1 << 20
  let row = 0
  for await (const batch of readCsv(url, { schema: { d: field.float64() } })) {
    for (let i = 0; i < batch.numRows; i++, row++) expect(Object.is(batch.row(i).d, Number(texts[row])), texts[row]!).toBe(true)
  }
  expect(row).toBe(texts.length)
  const singles = async (parser: 'auto' | 'csv-parse'): Promise<unknown[]> => {
    const values: unknown[] = []
    for await (const batch of readCsv(url, { schema: { d: field.float32() }, parser, onBadRecord: 'skip' })) for (let i = 0; i < batch.numRows; i++) values.push(batch.row(i).d)
    return values
  }
  expect(await singles('auto')).toEqual(await singles('csv-parse'))
}, 60_000)

const runs = Number(process.env['MILLRACE_CSV_FUZZ'] ?? 800)

test(`the columnar parser equals csv-parse in ${runs} random files`, async () => {
  let columnar = 0
  for (let run = 0; run < runs; run++) if (await compare(firstSeed + run)) columnar++
  expect(columnar / runs).toBeGreaterThan(0.8)
}, 60_000 + 100 * runs)
