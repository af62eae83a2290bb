import { failure } from '../errors/index.js'
import type { Json } from '../stream/index.js'
import type { FeatureRole, FittedFeature } from './feature.js'

/** Fitted features as plain JSON. */
export interface FeaturesJson {
  readonly format: 'millrace.features'
  readonly version: 1
  /** Rows they were fitted on. */
  readonly rows: number
  readonly features: readonly FittedFeature[]
}

export const featuresToJSON = (features: readonly FittedFeature[], rows: number): FeaturesJson => ({ format: 'millrace.features', version: 1, rows, features })

const bad = (problem: string): never => {
  throw failure({ tag: 'Corrupt', code: 'BAD_FEATURES_JSON', problem: `this is no JSON of fitted features: ${problem}`, remedy: 'Give what JSON.stringify(fitted) gave.' })
}

type Unknown = { readonly [key: string]: unknown }

const isObject = (value: unknown): value is Unknown => typeof value === 'object' && value !== null && !Array.isArray(value)

const requireText = (value: unknown, what: string): string => (typeof value === 'string' && value !== '' ? value : bad(`${what} is not a text`))

const requireField = (value: unknown, what: string): FittedFeature['input'] =>
  isObject(value) && typeof value['kind'] === 'string' && typeof value['nullable'] === 'boolean' && isObject(value['params'])
    ? (value as unknown as FittedFeature['input'])
    : bad(`${what} is not a field`)

/** One fitted feature of untrusted JSON, with the entries that JSON drops. */
const readFeature = (value: unknown): FittedFeature => {
  if (!isObject(value)) return bad('a feature is not an object')
  const name = requireText(value['name'], 'the name of a feature')
  const { role, cardinality } = value
  if (role !== 'input' && role !== 'label') return bad(`the role of "${name}" is neither input nor label`)
  if (cardinality !== undefined && !(Number.isSafeInteger(cardinality) && (cardinality as number) > 0)) return bad(`the cardinality of "${name}" is not a count`)
  return {
    kind: requireText(value['kind'], `the kind of "${name}"`),
    name,
    from: requireText(value['from'], `the column of "${name}"`),
    role: role as FeatureRole,
    params: (value['params'] ?? {}) as Json,
    state: (value['state'] ?? null) as Json,
    input: requireField(value['input'], `the input of "${name}"`),
    output: requireField(value['output'], `the output of "${name}"`),
    cardinality: cardinality as number | undefined,
    inner: value['inner'] === undefined || value['inner'] === null ? undefined : readFeature(value['inner']),
  }
}

/** Reads and checks what {@link featuresToJSON} gave; texts are parsed. @throws `Corrupt` */
export const parseFeaturesJson = (json: unknown): { readonly features: readonly FittedFeature[]; readonly rows: number } => {
  let value: unknown = json
  if (typeof json === 'string') {
    try {
      value = JSON.parse(json)
    } catch {
      return bad('it cannot be parsed')
    }
  }
  if (!isObject(value) || value['format'] !== 'millrace.features' || !Array.isArray(value['features'])) return bad('it has no list of features')
  if (value['version'] !== 1) return bad(`its version is ${String(value['version'])}, and this release reads version 1`)
  const features = value['features'].map(readFeature)
  if (new Set(features.map(({ name }) => name)).size !== features.length) return bad('a name stands twice')
  return { features, rows: typeof value['rows'] === 'number' ? value['rows'] : 0 }
}
