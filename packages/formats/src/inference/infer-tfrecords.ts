import { isUtf8 } from 'node:buffer'
import { field, requireOptions, type Field, type OptionRules, type Schema } from '@millrace/core'
import { WireReader, malformed, WIRE_BYTES, WIRE_FIXED32, WIRE_VARINT } from '../example/wire.js'
import { readRawRecords } from '../tfrecord/read-raw-records.js'
import { tfRecordRules, type ReadTfRecordsOptions } from '../tfrecord/read-tfrecords.js'
import { concluded, sampleRows, sampleRules, type FoundColumn, type SampleOptions } from './sample.js'
import type { SchemaReport } from './schema-report.js'

/** Options of the inference of TFRecords: those of the reader that are known, and how much to look at. */
export interface InferTfRecordsOptions extends SampleOptions, Omit<ReadTfRecordsOptions<Schema>, 'schema' | 'defaults' | 'onBadRecord'> {
  readonly format?: 'tfrecord' | undefined
}

const { schema: _schema, defaults: _defaults, onBadRecord: _onBadRecord, ...readerRules } = tfRecordRules
const rules: OptionRules<InferTfRecordsOptions> = { ...sampleRules, format: 'any', ...readerRules }

/** What `inferSchema` says of TFRecords: `readTfRecords(source, options)` reads with it. */
export interface InferredTfRecords {
  readonly format: 'tfrecord'
  readonly schema: Schema
  readonly report: SchemaReport
  readonly options: ReadTfRecordsOptions<Schema>
}

type ListKind = 'bytes' | 'float' | 'int64'
const LISTS: { readonly [number: number]: ListKind } = { 1: 'bytes', 2: 'float', 3: 'int64' }
const MAX_EXAMPLES = 3
const MAX_EXAMPLE = 40

/** What the features of one name look like. */
interface FeatureEvidence {
  readonly kinds: Map<ListKind, number>
  /** Records that have it, with values or without. */
  present: number
  least: number
  most: number
  isUtf8: boolean
  readonly examples: string[]
}

const noneYet = (): FeatureEvidence => ({ kinds: new Map(), present: 0, least: Infinity, most: 0, isUtf8: true, examples: [] })

const example = (evidence: FeatureEvidence, text: string): void => {
  const shown = text.length > MAX_EXAMPLE ? `${text.slice(0, MAX_EXAMPLE - 1)}…` : text
  if (evidence.examples.length < MAX_EXAMPLES && !evidence.examples.includes(shown)) evidence.examples.push(shown)
}

/** Calls `field` with each field of a message up to `limit`; what it does not read is skipped. */
const eachField = (wire: WireReader, limit: number, take: (tag: number) => boolean): void => {
  while (wire.at < limit) {
    const tag = wire.tag()
    if (!take(tag)) wire.skip(tag)
  }
  if (wire.at > limit) throw malformed('a message reaches beyond its length')
}

const varint = (wire: WireReader): bigint => {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (wire.at >= wire.limit) throw malformed('a number is cut short')
    const byte = wire.bytes[wire.at++]!
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return BigInt.asIntN(64, value)
  }
  throw malformed('a number takes more than 10 bytes')
}

/** Values of a list; gives how many there are. */
const takeList = (wire: WireReader, limit: number, kind: ListKind, evidence: FeatureEvidence): number => {
  let count = 0
  const one = (): void => {
    count++
    if (kind === 'int64') example(evidence, String(varint(wire)))
    else if (kind === 'float') {
      if (wire.limit - wire.at < 4) throw malformed('a number is cut short')
      example(evidence, String(new DataView(wire.bytes.buffer, wire.bytes.byteOffset + wire.at, 4).getFloat32(0, true)))
      wire.at += 4
    } else {
      const end = wire.end()
      const bytes = wire.bytes.subarray(wire.at, end)
      if (!isUtf8(bytes)) evidence.isUtf8 = false
      else if (evidence.examples.length < MAX_EXAMPLES) example(evidence, Buffer.from(bytes.subarray(0, 4 * MAX_EXAMPLE)).toString('utf8'))
      wire.at = end
    }
  }
  eachField(wire, limit, (tag) => {
    if (tag >>> 3 !== 1) return false
    const type = tag & 7
    if (type === WIRE_BYTES && kind !== 'bytes') {
      const end = wire.end()
      while (wire.at < end) one()
      return true
    }
    if (type !== (kind === 'bytes' ? WIRE_BYTES : kind === 'float' ? WIRE_FIXED32 : WIRE_VARINT)) return false
    one()
    return true
  })
  return count
}

const takeFeature = (wire: WireReader, limit: number, evidence: FeatureEvidence): void => {
  let count = 0
  eachField(wire, limit, (tag) => {
    const kind = LISTS[tag >>> 3]
    if (kind === undefined || (tag & 7) !== WIRE_BYTES) return false
    const end = wire.end()
    count = takeList(wire, end, kind, evidence)
    evidence.kinds.set(kind, (evidence.kinds.get(kind) ?? 0) + 1)
    return true
  })
  evidence.present++
  evidence.least = Math.min(evidence.least, count)
  evidence.most = Math.max(evidence.most, count)
}

const takeEntry = (wire: WireReader, limit: number, features: Map<string, FeatureEvidence>): void => {
  let name = ''
  let value: readonly [number, number] | undefined
  eachField(wire, limit, (tag) => {
    if ((tag & 7) !== WIRE_BYTES || (tag >>> 3 !== 1 && tag >>> 3 !== 2)) return false
    const end = wire.end()
    if (tag >>> 3 === 1) name = Buffer.from(wire.bytes.subarray(wire.at, end)).toString('utf8')
    else value = [wire.at, end]
    wire.at = end
    return true
  })
  let evidence = features.get(name)
  if (evidence === undefined) features.set(name, (evidence = noneYet()))
  const after = wire.at
  if (value === undefined) return
  wire.at = value[0]
  takeFeature(wire, value[1], evidence)
  wire.at = after
}

const takeExample = (bytes: Uint8Array, features: Map<string, FeatureEvidence>): void => {
  const wire = new WireReader(bytes)
  eachField(wire, bytes.length, (tag) => {
    if (tag >>> 3 !== 1 || (tag & 7) !== WIRE_BYTES) return false
    const end = wire.end()
    eachField(wire, end, (inner) => {
      if (inner >>> 3 !== 1 || (inner & 7) !== WIRE_BYTES) return false
      takeEntry(wire, wire.end(), features)
      return true
    })
    return true
  })
}

/** Looks at the first records of TFRecord files of tf.train.Example. */
export const inferTfRecords = async (source: string | readonly string[], options: InferTfRecordsOptions, signal: AbortSignal | undefined): Promise<InferredTfRecords> => {
  requireOptions('inferSchema', options, rules)
  const wanted = sampleRows(options)
  const { rows: _rows, overrides: _overrides, nullable: _nullable, decimals: _decimals, format: _format, ...reader } = options
  const features = new Map<string, FeatureEvidence>()
  let seen = 0
  let isWhole = true
  for await (const { columns, numRows } of readRawRecords(source, reader).open({ signal })) {
    for (let row = 0; row < numRows; row++) {
      if (seen === wanted) {
        isWhole = false
        break
      }
      takeExample(columns.record.get(row), features)
      seen++
    }
    if (!isWhole) break
  }
  const notes = ['Features whose records have one value each are taken for scalars; field.list(…) in overrides says otherwise.']
  const columns = [...features].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, evidence]) => {
    const decided = decide(evidence)
    if (typeof decided === 'string') notes.push(`${name} is left out: ${decided}.`)
    return typeof decided === 'string' ? [] : [{ name, rows: seen, nulls: seen - evidence.present + (evidence.most === 1 && evidence.least === 0 ? emptyOf(evidence) : 0), examples: evidence.examples, ...decided }]
  })
  const { schema, report } = concluded(columns, seen, isWhole, notes, options)
  return { format: 'tfrecord', schema, report, options: { ...reader, schema, ...(isWhole ? {} : { inferredFrom: seen }) } }
}

/** Scalars that are there without a value are null. */
const emptyOf = ({ present, kinds }: FeatureEvidence): number => Math.max(1, present - [...kinds.values()].reduce((sum, count) => sum + count, 0))

const decide = (evidence: FeatureEvidence): Pick<FoundColumn, 'field' | 'evidence' | 'ambiguous'> | string => {
  const { kinds, least, most, isUtf8: isText } = evidence
  if (kinds.size === 0) return 'no record has a value of it, so its kind is not known'
  if (kinds.size > 1) return `it is ${[...kinds.keys()].map((kind) => `${kind}_list`).join(' here and ')} there`
  const [kind] = kinds.keys()
  const item: Field = kind === 'int64' ? field.int64() : kind === 'float' ? field.float32() : isText ? field.utf8() : field.binary()
  const lengths = least === most ? `${most} ${most === 1 ? 'value' : 'values'} each` : `${least} to ${most} values`
  const text = kind === 'bytes' ? [isText ? 'all values are UTF-8; field.binary() takes them as bytes' : 'not all values are UTF-8, so that they are bytes'] : []
  const of = most <= 1 ? item : least === most ? field.list(item, { size: most }) : field.list(item)
  return { field: of, evidence: `${kind!}_list, ${lengths}`, ambiguous: text }
}
