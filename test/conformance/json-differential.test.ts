/**
 * The columnar parser against stream-json and column builders: random schemas, paths, records, damage, chunks and batches; the same
 * rows, errors, quarantine and positions. A few seconds here; MILLRACE_JSON_FUZZ=100000 npx vitest run test/conformance/json-differential.test.ts
 * is the long campaign, and MILLRACE_JSON_SEED=n begins it elsewhere.
 */
import { explainPlan, field, isMillraceError, type Batch, type Field, type Json, type Schema } from '@millrace/core'
import { readJson, type JsonOptions, type RejectedRecord } from '@millrace/formats'
import { afterAll, expect, test } from 'vitest'
import { MemoryStorage } from './memory-storage.js'
import { Random } from './random.js'

const storage = new MemoryStorage()
afterAll(() => {
  storage.close()
})

type Options = JsonOptions<Schema>

const fields: readonly (() => Field)[] = [
  field.utf8, field.utf8, field.bool, field.int8, field.int16, field.int32, field.int64, field.uint8, field.uint16, field.uint32, field.uint64,
  field.float32, field.float64, field.float64, () => field.dictionary(), () => field.dictionary(field.int32()), () => field.dictionary(field.float32()),
  () => field.list(field.int32()), () => field.list(field.float32()), () => field.list(field.utf8()), () => field.list(field.nullable(field.float64())),
  () => field.list(field.bool()), () => field.list(field.list(field.int64())), () => field.list(field.int64(), { size: 2 }), () => field.list(field.timestamp()), () => field.list(field.decimal(8, 2)),
  () => field.decimal(10, 2), () => field.decimal(38, 20), () => field.decimal(18, 0),
  () => field.date(), () => field.date({ format: 'dd.MM.yyyy' }), () => field.timestamp(), () => field.timestamp({ unit: 's' }), () => field.timestamp({ unit: 'us' }),
  () => field.timestamp({ unit: 'ns' }), () => field.timestamp({ format: 'yyyy/MM/dd HH:mm' }), () => field.timestamp({ format: 'yyyy/MM/dd H:mm', unit: 'us' }), () => field.timestamp({ zone: 'Europe/Berlin', unit: 'us' }),
  () => field.timestamp({ format: 'epochSeconds', unit: 'us' }), () => field.date({ format: 'yyyyMMdd' }), () => field.timestamp({ format: 'yyyyMMdd' }), () => field.list(field.date({ format: 'yyyyMMdd' })),
  () => field.list(field.list(field.timestamp({ format: 'epochMilliseconds' }))), () => field.dictionary(field.timestamp({ format: 'epochSeconds' })),
]

const digits = (random: Random, most: number): string => String(1 + random.below(9)) + Array.from({ length: random.below(most) }, () => random.below(10)).join('')

const number = (random: Random): string => {
  const sign = random.of(['', '', '', '-'])
  switch (random.below(9)) {
    case 0: case 1: return sign + digits(random, 3)
    case 2: return sign + digits(random, 22)
    case 3: return `${sign}${random.of(['0', digits(random, 3)])}.${random.of(['0', '00', '50', digits(random, 3), `${digits(random, 14)}0`])}`
    case 4: return `${sign}${random.of(['1', '0', '123456789012345678', '9.5'])}${random.of(['e', 'E'])}${random.of(['', '-', '+'])}${random.of(['', '0', '000'])}${random.below(random.of([3, 400]))}`
    case 5: return String((random.next() - 0.5) * 10 ** (random.below(40) - 20))
    case 7: return sign + random.of(['20240131', '20241301', '1700000000', '1700000000.5', '1.7e9', '9007199254740991.4', '0.99999999999999999999', '1e-400', '2147483647.0000000000001', '1e18', '123456789012345678e0', '1.5e1',
      '127.0000000000000000000000', '1e19', '18446744073709551615.0', '1e999999999', '1e-999999999', '922337203685477580.7e1', '0.000e5', '1.50'])
    case 6: return random.of(['127', '128', '-128', '-129', '255', '256', '65535', '65536', '2147483647', '2147483648', '-2147483648', '4294967295', '4294967296', '9007199254740992.0', '9007199254740993',
      '9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809', '18446744073709551615', '18446744073709551616', '-0', '0', '-0.0', '1e0', '3.0e0', '99999999.990',
      '16777217', '16777217.0000000001', '1e23', '8.5e22', '2.2250738585072011e-308', '1.7976931348623157e308', '1.7976931348623159e308', '5e-324', '3.4028235677973366e38', '1e-46', '1e400', '0e99999'])
    default: return random.of(['nan', '+1', '01', '-', '.5', '1.', '5e', '1.2.3', '0x1f', 'Infinity', '1e+', '--1'])
  }
}

const time = (random: Random): string => {
  const two = (limit: number): string => String(random.below(limit)).padStart(2, '0')
  const date = `${random.of(['1969', '2024', '1900', String(1900 + random.below(200))])}-${two(14)}-${two(33)}`
  switch (random.below(5)) {
    case 0: return date
    case 1: return `${date.replaceAll('-', '/')} ${two(25)}:${two(61)}`
    case 2: return `${two(33)}.${two(13)}.2024`
    default: return `${date}${random.of(['T', ' '])}${two(25)}:${two(61)}${random.of(['', `:${two(60)}`, `:${two(60)}.${digits(random, 10)}`])}${random.of(['', 'Z', '+01:00', '-0530'])}`
  }
}

const text = (random: Random): string =>
  Array.from({ length: random.below(random.chance(0.1) ? 60 : 8) }, () => random.of(['a', 'b', 'Z', '0', ' ', 'é', '漢', '😀', '\u00a0', '\ufeff', ',', '"', '\\', '/', '\n', '\t', '\0', '\u2028', '{', ']'])).join('')

/** A string as JSON, some characters as escapes, a few of them wrong. */
const quoted = (random: Random, value: string): string => {
  if (random.chance(0.02)) return random.of(['"\\ud800"', '"\\udc00\\ud800x"', '"\\ud83d\\ude0"', '"\\x"', '"\u0001"', '"a', '"\\ud83d\\ude00"', '"\\u00e9\\u6f22\\u0041"'])
  const sound = JSON.stringify(value)
  if (random.chance(0.8)) return sound
  return sound.replace(/[^"\\]/gu, (character) => (random.chance(0.3) && !sound.includes('\\') ? escaped(character).slice(1, -1) : character))
}

/** A string as JSON, all characters as escapes. */
const escaped = (value: string): string => `"${Array.from({ length: value.length }, (_, i) => `\\u${value.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`

const space = (random: Random): string => (random.chance(0.9) ? '' : random.of([' ', '  ', '\t', '\r']))

const anything = (random: Random, depth = 0): string => {
  const kind = random.below(depth > 3 ? 4 : 6)
  if (kind === 0) return number(random)
  if (kind === 1) return quoted(random, text(random))
  if (kind < 4) return random.of(['true', 'false', 'null', '""', '0'])
  const parts = Array.from({ length: random.below(4) }, () => `${space(random)}${kind === 4 ? '' : `${quoted(random, random.of(['a', 'b', 'c0', '']))}:`}${anything(random, depth + 1)}${space(random)}`)
  return kind === 4 ? `[${parts.join(',')}]` : `{${parts.join(',')}}`
}

const value = (random: Random, made: Field): string => {
  const { kind, params } = made
  if (random.chance(made.nullable ? 0.1 : 0.01)) return 'null'
  if (random.chance(0.02)) return anything(random)
  if (kind === 'utf8') return quoted(random, text(random))
  if (kind === 'bool') return random.of(['true', 'false', 'true', 'false', 'True', '1', '"true"'])
  if (kind === 'dictionary') return params.item!.kind === 'utf8' ? quoted(random, random.of(['x', 'y', 'long one', 'é'])) : random.of(['1', '22', '-3', '1.0', '0.1'])
  if (kind === 'list') return `[${Array.from({ length: params.size ?? random.below(4) }, () => space(random) + value(random, params.item!) + space(random)).join(',')}]`
  if (kind === 'date' || kind === 'timestamp') return random.chance(0.85) ? quoted(random, time(random)) : number(random)
  // Mostly what fits, so that files go on.
  if (random.chance(0.6)) return kind.startsWith('float') ? String(Math.round(random.next() * 1e6) / 1e4) : String(random.below(100))
  return kind === 'decimal' && random.chance(0.4) ? quoted(random, number(random)) : number(random)
}

interface Case {
  readonly bytes: Uint8Array
  readonly options: Options
  readonly columns: readonly string[] | undefined
}

const keys: readonly string[] = ['a', 'b', 'c', 'é', 'with space', 'a key that has more than sixteen bytes', 'a key that has more than sixteen byteS', '', 'address', 'x.y']

const makeCase = (random: Random): Case => {
  const width = 1 + random.below(6)
  const schema: Record<string, Field> = {}
  const paths: Record<string, readonly string[]> = {}
  const decent = random.chance(0.7)
  const free = [...keys]
  for (let i = 0; i < width; i++) {
    const made = random.of(fields)()
    const [name] = free.splice(random.below(free.length), 1)
    schema[name!] = random.chance(0.5) ? field.nullable(made) : made
    if (random.chance(0.2)) paths[name!] = random.of([['in', name!], ['in', 'deep', name!], ['other', name!], [`${name!}!`]])
  }
  if (random.chance(0.02)) paths[Object.keys(schema)[0]!] = ['in']
  const names = Object.keys(schema)
  const format = random.of(['array', 'lines'] as const)
  const options: Options = {
    schema, paths,
    ...(random.chance(0.5) ? { format } : {}),
    ...(random.chance(0.1) ? { maxStringLength: random.of([3, 12]) } : {}),
    ...(random.chance(0.1) ? { maxRecordBytes: random.of([20, 60, 200]) } : {}),
    ...(random.chance(0.1) ? { maxDepth: random.of([1, 2, 3, 100]) } : {}),
    batchRows: random.of([1, 2, 5, 1000]),
  }
  const member = (name: string, written: string): string => `${space(random)}${random.chance(0.05) ? escaped(name) : JSON.stringify(name)}${space(random)}:${space(random)}${written}${space(random)}`
  const object = (prefix: readonly string[]): string => {
    const members: string[] = []
    const below = new Set<string>()
    for (const name of names) {
      const path = paths[name] ?? [name]
      if (path.length <= prefix.length || !prefix.every((key, i) => path[i] === key)) continue
      if (path.length > prefix.length + 1) below.add(path[prefix.length]!)
      else if (!random.chance(schema[name]!.nullable ? 0.15 : 0.01)) members.push(member(path[prefix.length]!, value(random, schema[name]!)))
      if (random.chance(0.01)) members.unshift(member(path[prefix.length]!, random.chance(0.3) ? anything(random) : value(random, schema[name]!)))
    }
    for (const key of below) {
      do members.push(member(key, random.chance(0.05) ? random.of(['null', '1', '[]', '{}']) : object([...prefix, key])))
      while (random.chance(0.02))
    }
    if (random.chance(0.3)) members.push(member(random.of(['more', 'in', ...keys]), anything(random)))
    if (random.chance(0.2)) members.reverse()
    return `{${members.join(',')}${random.chance(0.005) ? ',' : ''}}`
  }
  const records = Array.from({ length: random.below(12) }, () => (random.chance(0.02) ? anything(random) : object([])))
  const content =
    format === 'lines'
      ? records.map((record) => space(random) + record + space(random) + (random.chance(0.02) ? anything(random) : '') + random.of(['\n', '\n', '\r\n', '\n\n \n'])).join('').slice(0, random.chance(0.2) ? -1 : undefined)
      : `${space(random)}[${space(random)}${records.join(`${space(random)},${random.of(['', '\n', '\r\n ', '\r'])}`)}${space(random)}${random.chance(0.97) ? ']' : ''}${random.of(['', '\n'])}`
  const bytes = Uint8Array.from(Buffer.from((random.chance(0.05) ? '\ufeff' : '') + content))
  if (!decent || random.chance(0.05)) {
    for (let flips = random.below(4); flips > 0 && bytes.length > 0; flips--) {
      const at = random.below(bytes.length)
      bytes[at] = random.chance(0.5) ? bytes[at]! ^ (1 << random.below(8)) : random.of([34, 44, 10, 13, 0, 255, 0xc3, 32, 92, 123, 125, 91, 93, 58])
    }
  }
  return { bytes, options, columns: random.chance(0.1) ? names.filter(() => random.chance(0.5)) : undefined }
}

interface Outcome {
  readonly rows: readonly unknown[]
  readonly batches: readonly unknown[]
  readonly rejected: readonly unknown[]
  readonly error: unknown
}

/** A value in a form that tells -0 from 0 and keeps every bit. */
const exact = (batch: Batch, name: string, row: number): unknown => {
  const shown = (batch.row(row) as Record<string, unknown>)[name]
  if (!(shown instanceof Date)) return Object.is(shown, -0) ? '-0' : shown
  const column = (batch.columns as unknown as Record<string, { values?: ArrayLike<unknown> }>)[name]!
  return `${String(column.values?.[row])} ${shown.getTime()}`
}

const told = (error: unknown): unknown => {
  if (!isMillraceError(error)) return error
  const { byte, line, record, column } = error.position
  // How many bytes of a record that is too long were seen depends on the chunks.
  return { tag: error._tag, code: error.code, message: error.code === 'JSON_RECORD_TOO_LONG' ? '' : error.message, byte, line, record, column }
}

const read = async (url: string, options: Options, columns: readonly string[] | undefined, policy: 'fail' | 'quarantine', from?: Json): Promise<Outcome> => {
  const rows: unknown[] = []
  const batches: unknown[] = []
  const rejected: unknown[] = []
  let error: unknown
  try {
    const quarantine = ({ source: _, raw, ...record }: RejectedRecord): void => void rejected.push({ ...record, raw: Buffer.from(raw!).toString('latin1') })
    const stream = readJson(url, { ...options, onBadRecord: policy === 'fail' ? 'fail' : { quarantine } })
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

const compare = async (seed: number): Promise<boolean> => {
  const random = new Random(seed)
  for (let warmUp = 0; warmUp < 3; warmUp++) random.next()
  const { bytes, options, columns } = makeCase(random)
  const url = storage.put('case.json', bytes)
  const policy = random.of(['fail', 'quarantine'] as const)
  storage.chunkBytes = 1 << 20
  const due = await read(url, { ...options, parser: 'stream-json' }, columns, policy)
  for (const chunkBytes of [1 + random.below(12), 1 << 20]) {
    storage.chunkBytes = chunkBytes
    const context = `seed ${seed}, chunks of ${chunkBytes}: ${JSON.stringify(options)} ${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`
    expect(await read(url, options, columns, policy), context).toEqual(due)
  }
  const positions = due.batches as readonly { readonly size: number; readonly at: Json }[]
  if (positions.length > 1 && due.error === undefined) {
    const i = random.below(positions.length)
    const rest = await read(url, options, columns, policy, positions[i]!.at)
    const rows = positions.slice(0, i + 1).reduce((sum, { size }) => sum + size, 0)
    expect({ rows: rest.rows, batches: rest.batches }, `seed ${seed}, resumed after batch ${i}`).toEqual({ rows: due.rows.slice(rows), batches: due.batches.slice(i + 1) })
  }
  return explainPlan(readJson(url, options).plan).includes('"parser":"columnar"')
}

const firstSeed = Number(process.env['MILLRACE_JSON_SEED'] ?? 20261125)
const runs = Number(process.env['MILLRACE_JSON_FUZZ'] ?? 600)

test(`the columnar parser equals stream-json in ${runs} random files`, async () => {
  let columnar = 0
  for (let run = 0; run < runs; run++) if (await compare(firstSeed + run)) columnar++
  expect(columnar / runs).toBeGreaterThan(0.8)
}, 60_000 + 100 * runs)
