import { failure, field, job, readWhole, requireNames, requireOneOf, requireOptions, type Field, type Job, type MillraceError, type OptionRules } from '@millrace/core'
import type { FeatureDomain, MetadataSchema, SparseFeature } from './metadata-schema.js'
import { parseTextProto, type TextMessage, type TextValue } from './text-proto.js'

/** Options of {@link readMetadataSchema}. */
export interface MetadataOptions {
  /** What features of bytes become whose domain does not say that they are texts. Default `utf8`. */
  readonly bytes?: 'utf8' | 'binary' | undefined
}

const rules: OptionRules<MetadataOptions> = { bytes: 'any' }

/** Schemas of thousands of features have megabytes, with vocabularies in them tens. */
const MAX_BYTES = 256 * 1024 * 1024

const isMessage = (value: TextValue): value is TextMessage => 'fields' in value

/** One message with the names of its fields, for typed access. */
class Fields {
  constructor(
    private readonly message: TextMessage,
    private readonly source: string,
    private readonly where: string,
  ) {}

  has(name: string): boolean {
    return this.message.fields.has(name)
  }

  all(name: string): readonly Fields[] {
    return this.values(name).map((value) => {
      if (isMessage(value)) return new Fields(value, this.source, `${this.where}${name}`)
      throw this.wrong(name, 'a message')
    })
  }

  one(name: string): Fields | undefined {
    return this.all(name).at(-1)
  }

  texts(name: string): readonly string[] {
    return this.values(name).map((value) => {
      if ('text' in value) return value.text
      throw this.wrong(name, 'a text')
    })
  }

  text(name: string): string | undefined {
    return this.texts(name).at(-1)
  }

  word(name: string): string | undefined {
    const value = this.values(name).at(-1)
    if (value === undefined || 'word' in value) return value?.word
    throw this.wrong(name, 'a word')
  }

  isTrue(name: string): boolean {
    return /^(true|True|t|1)$/.test(this.word(name) ?? '')
  }

  integer(name: string): bigint | undefined {
    const word = this.word(name)
    if (word === undefined) return undefined
    const match = /^([+-]?)(0x[0-9a-f]+|\d+)$/i.exec(word)
    const digits = match?.[2]
    if (digits === undefined || digits.length > 24) throw this.wrong(name, 'an integer')
    const size = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
    return match![1] === '-' ? -size : size
  }

  count(name: string): number | undefined {
    const value = this.integer(name)
    if (value === undefined || (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER))) return value === undefined ? undefined : Number(value)
    throw this.wrong(name, 'a count')
  }

  number(name: string): number | undefined {
    const word = this.word(name)
    if (word === undefined) return undefined
    if (/^[+-]?inf(inity)?f?$/i.test(word)) return word.startsWith('-') ? -Infinity : Infinity
    const value = Number(/^0x/i.test(word) ? word : word.replace(/f$/i, ''))
    if (Number.isNaN(value) && !/^nanf?$/i.test(word)) throw this.wrong(name, 'a number')
    return value
  }

  private values(name: string): readonly TextValue[] {
    return this.message.fields.get(name) ?? []
  }

  private wrong(name: string, due: string): MillraceError {
    return failure({ tag: 'Corrupt', code: 'BAD_METADATA', problem: `${this.where}${name} is not ${due}`, remedy: 'Check that the file is a tensorflow.metadata.v0.Schema.', position: { source: this.source } })
  }
}

const DOMAINS: readonly (readonly [string, (fields: Fields) => FeatureDomain])[] = [
  ['int_domain', (fields) => ({ is: 'int', min: fields.integer('min'), max: fields.integer('max'), isCategorical: fields.isTrue('is_categorical') })],
  ['float_domain', (fields) => ({ is: 'float', min: fields.number('min'), max: fields.number('max') })],
  ['string_domain', (fields) => ({ is: 'string', values: fields.texts('value') })],
  ['bool_domain', () => ({ is: 'bool' })],
]

const GONE = /^(PLANNED|DEPRECATED|DISABLED)$/
const BINARY = ['image_domain', 'audio_domain', 'video_domain']

const domainOf = (feature: Fields, shared: ReadonlyMap<string, FeatureDomain>): FeatureDomain | undefined => {
  const name = feature.text('domain')
  if (name !== undefined) return shared.get(name)
  for (const [key, read] of DOMAINS) {
    const own = feature.one(key)
    if (own !== undefined) return read(own)
  }
  return undefined
}

const itemOf = (feature: Fields, domain: FeatureDomain | undefined, bytes: 'utf8' | 'binary'): Field | undefined => {
  switch (feature.word('type')) {
    case 'INT':
    case '2':
      return domain?.is === 'bool' ? field.bool() : field.int64()
    case 'FLOAT':
    case '3':
      return field.float32()
    case 'BYTES':
    case '1':
      if (BINARY.some((name) => feature.has(name))) return field.binary()
      return domain?.is === 'string' || feature.has('natural_language_domain') || feature.has('url_domain') || bytes === 'utf8' ? field.utf8() : field.binary()
    default:
      return undefined
  }
}

/** Values of a feature: always one, always so many, or any number. */
const lengthOf = (feature: Fields): number | undefined => {
  const shape = feature.one('shape')
  if (shape !== undefined) {
    const sizes = shape.all('dim').map((dim) => dim.count('size'))
    const known = sizes.filter((size) => size !== undefined)
    return known.length < sizes.length ? undefined : known.reduce((product, size) => product * size, 1)
  }
  const count = feature.one('value_count')
  const most = count?.count('max')
  return most !== undefined && most > 0 && most === count?.count('min') ? most : undefined
}

const isRequired = (feature: Fields): boolean => (feature.one('presence')?.number('min_fraction') ?? 0) >= 1

const fieldOf = (feature: Fields, item: Field): Field => {
  const length = lengthOf(feature)
  const of = length === 1 ? item : length === undefined || length === 0 ? field.list(item) : field.list(item, { size: length })
  return isRequired(feature) ? of : field.nullable(of)
}

const sparseOf = (fields: Fields): SparseFeature => ({
  name: fields.text('name') ?? '',
  indices: fields.all('index_feature').map((index) => index.text('name') ?? ''),
  values: fields.one('value_feature')?.text('name') ?? '',
  shape: fields.one('dense_shape')?.all('dim').map((dim) => dim.count('size') ?? 0),
  isSorted: fields.isTrue('is_sorted'),
})

/** Why a feature has no column; `undefined` where it has one. */
const whyNone = (feature: Fields, item: Field | undefined): string | undefined => {
  const stage = feature.word('lifecycle_stage')
  if (feature.isTrue('deprecated')) return 'it is deprecated'
  if (stage !== undefined && GONE.test(stage)) return `its stage is ${stage}`
  return item === undefined ? `its type is ${feature.word('type') ?? 'not told'}` : undefined
}

/**
 * Reads a schema of TensorFlow Metadata, as TFX and TensorFlow Data Validation write it (`schema.pbtxt`).
 *
 * A feature becomes a scalar where its shape or its count of values is 1, a list of fixed size where it is another number, and else a list;
 * it is nullable unless its presence has a `min_fraction` of 1. Deprecated features, and those of structs, are left out, which `notes` tell.
 *
 * @param source - its name, for errors
 * @throws `Corrupt` TEXT_PROTO, BAD_METADATA; `Limit` TEXT_PROTO_DEPTH
 * @see https://github.com/tensorflow/metadata/blob/master/tensorflow_metadata/proto/v0/schema.proto
 */
export const parseMetadataSchema = (text: string, source = 'schema.pbtxt', options: MetadataOptions = {}): MetadataSchema => {
  requireOptions('parseMetadataSchema', options, rules)
  const bytes = requireOneOf('bytes of parseMetadataSchema', options.bytes ?? 'utf8', ['utf8', 'binary'])
  const root = new Fields(parseTextProto(text, source), source, '')
  const shared = new Map(DOMAINS.flatMap(([key, read]) => root.all(key).map((domain): [string, FeatureDomain] => [domain.text('name') ?? '', read(domain)])))
  const fields: [string, Field][] = []
  const domains: [string, FeatureDomain][] = []
  const notes: string[] = []
  for (const feature of root.all('feature')) {
    const name = feature.text('name') ?? ''
    const domain = domainOf(feature, shared)
    const item = itemOf(feature, domain, bytes)
    const why = whyNone(feature, item)
    if (why !== undefined) {
      notes.push(`${name} is left out: ${why}.`)
      continue
    }
    if ((feature.one('shape')?.all('dim').length ?? 0) > 1) notes.push(`${name} has a shape of several dimensions, and its values come as one list.`)
    if (feature.has('value_counts')) notes.push(`${name} is nested, and its values come as one list.`)
    fields.push([name, fieldOf(feature, item!)])
    if (domain !== undefined) domains.push([name, domain])
  }
  const schema = Object.fromEntries(fields)
  requireNames(schema)
  return { schema, domains: Object.fromEntries(domains), sparse: root.all('sparse_feature').map(sparseOf), notes }
}

/**
 * Reads a `schema.pbtxt`: {@link parseMetadataSchema} of a file.
 *
 * @example
 * const { schema } = await run(readMetadataSchema('pipeline/SchemaGen/schema.pbtxt'))
 * const examples = readTfRecords('pipeline/examples/Split-train', { schema })
 */
export const readMetadataSchema = (url: string, options: MetadataOptions = {}): Job<MetadataSchema> => {
  requireOptions('readMetadataSchema', options, rules)
  return job(async ({ signal }) => parseMetadataSchema(Buffer.from(await readWhole(url, { limitBytes: MAX_BYTES, signal })).toString('utf8'), url, options))
}
