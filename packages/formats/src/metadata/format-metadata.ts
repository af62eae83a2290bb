import { failure, job, writeText, type Field, type IfExists, type Job, type Schema } from '@millrace/core'
import type { FeatureDomain, MetadataSchema } from './metadata-schema.js'

const quoted = (text: string): string => {
  const escaped = text.replace(/["\\]/g, '\\$&').replace(/[\u0000-\u001f\u007f]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return `"${escaped}"`
}

type Line = string | readonly [name: string, lines: readonly Line[]]

const printed = (lines: readonly Line[], indent = ''): string =>
  lines.map((line) => (typeof line === 'string' ? `${indent}${line}\n` : `${indent}${line[0]} {\n${printed(line[1], `${indent}  `)}${indent}}\n`)).join('')

const types: { readonly [kind: string]: string } = {
  bool: 'INT', int8: 'INT', int16: 'INT', int32: 'INT', int64: 'INT', uint8: 'INT', uint16: 'INT', uint32: 'INT', uint64: 'INT', date: 'INT', timestamp: 'INT',
  float32: 'FLOAT', float64: 'FLOAT', utf8: 'BYTES', binary: 'BYTES', decimal: 'BYTES',
}

const typeOf = (name: string, of: Field): string => {
  if (of.kind === 'dictionary') return typeOf(name, of.params.item!)
  const type = types[of.kind]
  if (type !== undefined) return type
  throw failure({ tag: 'Schema', code: 'NO_FEATURE', problem: `a feature cannot be a ${of.kind} of lists`, remedy: 'Leave the column out.', position: { column: name } })
}

const numberText = (value: number): string => (Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf')

const bounds = (min: bigint | number | undefined, max: bigint | number | undefined): Line[] => {
  const text = (value: bigint | number): string => (typeof value === 'bigint' ? String(value) : numberText(value))
  return [...(min === undefined ? [] : [`min: ${text(min)}`]), ...(max === undefined ? [] : [`max: ${text(max)}`])]
}

const domainLines = (domain: FeatureDomain): Line => {
  switch (domain.is) {
    case 'int':
      return ['int_domain', [...bounds(domain.min, domain.max), ...(domain.isCategorical === true ? ['is_categorical: true'] : [])]]
    case 'float':
      return ['float_domain', bounds(domain.min, domain.max)]
    case 'string':
      return ['string_domain', domain.values.map((value) => `value: ${quoted(value)}`)]
    case 'bool':
      return ['bool_domain', []]
  }
}

/** Fixed shapes are for features that are always there: TensorFlow Transform refuses others. */
const shapeLines = (of: Field): readonly Line[] => {
  const size = of.kind === 'list' ? of.params.size : 1
  const presence: Line = ['presence', ['min_fraction: 1.0', 'min_count: 1']]
  if (size === undefined) return [['value_count', ['min: 0']], ...(of.nullable ? [] : [presence])]
  if (of.nullable) return [['value_count', [`min: ${size}`, `max: ${size}`]]]
  return [['shape', of.kind === 'list' ? [['dim', [`size: ${size}`]]] : []], presence]
}

/**
 * The text of a `schema.pbtxt` for TFRecords with these columns, as `writeTfRecords` writes them. Dates and times are integers there, decimals
 * texts.
 *
 * @throws `Schema` for columns that are no features
 */
export const formatMetadataSchema = (schema: Schema, { domains = {}, sparse = [] }: Partial<Pick<MetadataSchema, 'domains' | 'sparse'>> = {}): string => {
  const features = Object.entries(schema).map(([name, of]): Line => {
    const item = of.kind === 'list' ? of.params.item! : of
    const domain: FeatureDomain | undefined = Object.hasOwn(domains, name) ? domains[name] : item.kind === 'bool' ? { is: 'bool' } : undefined
    return ['feature', [`name: ${quoted(name)}`, `type: ${typeOf(name, item)}`, ...(domain === undefined ? [] : [domainLines(domain)]), ...shapeLines(of)]]
  })
  const sparseFeatures = sparse.map(({ name, indices, values, shape, isSorted }): Line => [
    'sparse_feature',
    [
      `name: ${quoted(name)}`, ...indices.map((index): Line => ['index_feature', [`name: ${quoted(index)}`]]), ['value_feature', [`name: ${quoted(values)}`]],
      ...(shape === undefined ? [] : [['dense_shape', shape.map((size): Line => ['dim', [`size: ${size}`]])] as const]), ...(isSorted ? ['is_sorted: true'] : []),
    ],
  ])
  return printed([...features, ...sparseFeatures])
}

/** Writes a `schema.pbtxt`: {@link formatMetadataSchema} in a file, which appears whole. */
export const writeMetadataSchema = (url: string, schema: Schema, options: Partial<Pick<MetadataSchema, 'domains' | 'sparse'>> & { readonly ifExists?: IfExists | undefined } = {}): Job<void> =>
  job(({ signal }) => writeText(url, formatMetadataSchema(schema, options), { ifExists: options.ifExists, signal }))
