import { failure, field, makeBuilder, requireNames, shownUrl, withField, type Column, type Field, type InputFile, type Schema } from '@millrace/core'
import { conditionsOf, conditionTest, type Condition } from '../values/index.js'

/** The columns that folders `key=value` give to the files in them. */
export interface Partitions {
  /** Their fields, by key; those of the reader's schema where it has them. */
  readonly fields: Schema
  /** A column of one row with the value of a file. */
  readonly valueOf: (file: InputFile, name: string) => Column
}

const INTEGER = /^[+-]?\d{1,18}$/
const DATE = /^\d{4}-\d{2}-\d{2}$/

const isDate = (text: string): boolean => DATE.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true

/** As Spark infers them, `01` being an integer too: those of months and hours are written so. */
export const inferredField = (texts: readonly string[]): Field => {
  if (texts.length > 0 && texts.every((text) => INTEGER.test(text))) {
    return texts.every((text) => Math.abs(Number(text)) < 2 ** 31) ? field.int32() : field.int64()
  }
  return texts.length > 0 && texts.every(isDate) ? field.date() : field.utf8()
}

const fieldOfValues = (values: readonly (string | null)[]): Field => {
  const texts = values.filter((value) => value !== null)
  const found = inferredField(texts)
  return texts.length < values.length ? field.nullable(found) : found
}

const requireSameKeys = (files: readonly InputFile[], keys: readonly string[]): void => {
  const wanted = keys.join('/')
  const other = files.find(({ partition }) => Object.keys(partition ?? {}).join('/') !== wanted)
  if (other === undefined) return
  throw failure({
    tag: 'Schema', code: 'PARTITIONS_DIFFER', problem: `the folders of this file are partitioned by ${Object.keys(other.partition ?? {}).join(', ') || 'nothing'}, and those of ${shownUrl(files[0]!.url)} by ${keys.join(', ')}`,
    remedy: 'Read folders of one kind at a time.', position: { source: other.url },
  })
}

const textColumn = (of: Field, text: string | null): Column => {
  const builder = makeBuilder(of)
  if (text === null) builder.appendNull()
  else builder.appendText(text)
  return builder.finish()
}

/** Folders are named as Spark does it, times by ISO 8601, whatever format a column has in files; else by that format. */
const valueColumn = (of: Field, text: string | null): Column => {
  const { kind, nullable, params } = of
  if (params.format === undefined) return textColumn(of, text)
  const plain = kind === 'date' ? field.date() : field.timestamp({ unit: params.unit })
  try {
    return withField(textColumn({ ...plain, nullable } as Field, text), of)
  } catch {
    return textColumn(of, text)
  }
}

/** A column of one row with the value that a folder gives. @throws `Schema` PARTITION_VALUE for one that the field cannot hold */
export const partitionColumn = (name: string, of: Field, text: string | null, source: string): Column => {
  try {
    return valueColumn(of, text)
  } catch (cause) {
    throw failure({
      tag: 'Schema', code: 'PARTITION_VALUE', problem: `the folder gives ${text === null ? 'null' : JSON.stringify(text)}, which ${of.kind} cannot hold: ${(cause as Error).message}`,
      remedy: 'Give the column a field that takes every value of its folders, or leave it out of the schema.', position: { source, column: name }, cause,
    })
  }
}

/**
 * What the folders of files say. A key that the schema does not have is typed by its values: integers or dates where all are, else text.
 *
 * @param seen - values of folders, those without a file among `files` too
 * @throws `Schema` for files that are partitioned by different keys
 */
export const partitionsOf = (files: readonly InputFile[], schema: Schema | undefined, seen: ReadonlyMap<string, ReadonlySet<string | null>> = new Map()): Partitions => {
  const keys = files.length === 0 ? [...seen.keys()] : Object.keys(files[0]!.partition ?? {})
  requireSameKeys(files, keys)
  requireNames(Object.fromEntries(keys.map((name) => [name, field.utf8()])))
  const fields = Object.fromEntries(
    keys.map((name) => [name, schema !== undefined && Object.hasOwn(schema, name) ? schema[name]! : fieldOfValues([...new Set([...(seen.get(name) ?? []), ...files.map(({ partition }) => partition![name]!)])])]),
  )
  return { fields, valueOf: (file, name) => partitionColumn(name, fields[name]!, file.partition![name]!, file.url) }
}

/** The files whose partitions satisfy all conditions. @throws `Usage` for a column that is none of the folders' */
export const chosenFiles = (files: readonly InputFile[], { fields, valueOf }: Partitions, where: { readonly [name: string]: Condition | undefined }): readonly InputFile[] => {
  const tests = conditionsOf(where).map(([name, condition]) => {
    if (Object.hasOwn(fields, name)) return conditionTest(name, fields[name]!, condition)
    throw failure({
      tag: 'Usage', code: 'NO_SUCH_PARTITION', problem: `partitions asks for ${JSON.stringify(name)}, which is no key of the folders`,
      remedy: Object.keys(fields).length === 0 ? 'No file is in a folder such as date=2026-11-24 below the source.' : `Their keys are: ${Object.keys(fields).join(', ')}.`,
    })
  })
  return tests.length === 0 ? files : files.filter((file) => tests.every(({ column, holds }) => holds(valueOf(file, column).get(0))))
}
