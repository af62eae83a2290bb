import {
  hasTag, makeBatch, makeBuilder, requireColumn, type Batch, type Column, type Field, type FileInfo, type InputFile, type OpenContext, type Schema,
} from '@millrace/core'
import type { PartitionChoice } from './choose-partitions.js'
import { allEmpty, mergedSchema, schemasOf } from './merge-schemas.js'
import { chosenFiles, partitionsOf, type Partitions } from './partitions.js'
import type { FileReader, FileTask } from './read-files.js'

/** What of a {@link FileTask} does not depend on columns. */
type FilePart = Pick<FileTask, 'index' | 'resume' | 'onRead' | 'reject' | 'skip'>

/** The codes of errors that say that a file lacks a column. */
const LACKING = new Set(['NO_SUCH_COLUMN', 'CSV_NO_SUCH_COLUMN'])

/** A column of one value, as often as is asked for. */
class ConstantColumn {
  private longest: Column

  constructor(one: Column) {
    this.longest = one
  }

  rows(count: number): Column {
    if (this.longest.length < count) this.longest = this.longest.take(new Int32Array(count))
    return this.longest.length === count ? this.longest : this.longest.slice(0, count)
  }
}

const nullOf = (field: Field): Column => {
  const builder = makeBuilder(field)
  builder.appendNull()
  return builder.finish()
}

/**
 * The files of one reading, and which columns each of them has: some come from the folders that it is in, and some it lacks, which
 * are null then.
 */
export class FileColumns<S extends Schema> {
  private readonly has = new Map<string, Promise<boolean>>()

  private constructor(
    private readonly reader: FileReader<S>,
    private readonly context: OpenContext,
    readonly files: readonly InputFile[],
    private readonly partitions: Partitions,
    /** Columns in order, where they are known before a file is opened. */
    private readonly schema: Schema | undefined,
    /** The own columns of each file, where they are. */
    private readonly own: ReadonlyMap<FileInfo, Schema>,
  ) {}

  /** @throws `Schema` for files that do not fit together, `Usage` for partitions that are not there */
  static async of<S extends Schema>(reader: FileReader<S>, found: readonly InputFile[], context: OpenContext, seen?: PartitionChoice['seen']): Promise<FileColumns<S>> {
    const partitions = partitionsOf(found, reader.schema, seen)
    const inFolders = (name: string): boolean => Object.hasOwn(partitions.fields, name)
    const where = Object.fromEntries(Object.entries(reader.where ?? {}).filter(([name]) => inFolders(name)))
    const files = chosenFiles(chosenFiles(found, partitions, reader.input.partitions ?? {}), partitions, where)
    if (reader.schema !== undefined || reader.schemaOf === undefined || files.length < 2) return new FileColumns(reader, context, files, partitions, reader.schema, new Map())
    const { schemaOf } = reader
    const schemas = await schemasOf(files, async (file) => {
      const told = await schemaOf(file, context.signal)
      return told === undefined ? undefined : without(told, inFolders)
    })
    const all = { ...mergedSchema(files, schemas), ...partitions.fields }
    const schema = reader.columns === undefined ? all : Object.fromEntries(reader.columns.map((name) => [name, requireColumn(all, name, `the reader of ${reader.format}`)]))
    const own = files.map((file, index): [FileInfo, Schema] => [file, without(schema, (name) => inFolders(name) || !Object.hasOwn(schemas[index] ?? {}, name))])
    return new FileColumns(reader, context, files, partitions, schema, new Map(own))
  }

  /** The columns of the batches; those of one file are looked up. */
  async findSchema(): Promise<Schema> {
    if (this.schema !== undefined) return this.schema
    const [file] = this.files
    if (file === undefined || this.reader.schemaOf === undefined) return this.allOf({})
    const told = await this.reader.schemaOf(file, this.context.signal)
    if (told === undefined) throw allEmpty([file])
    return this.allOf(told)
  }

  /** The columns of the only file with those of its folders. */
  private allOf(own: Schema): Schema {
    return pick({ ...own, ...this.partitions.fields }, this.reader.columns)
  }

  /** What the reader is asked to read of a file. */
  taskOf(file: InputFile, task: FilePart, schema = this.schemaOf(file)): FileTask {
    const isPartitioned = this.isPartitioned
    const columns = this.reader.columns?.filter((name) => !isPartitioned(name))
    return { ...task, file, context: this.contextOf(schema, isPartitioned), schema, columns, partitioned: Object.keys(this.partitions.fields) }
  }

  /** The batches of one file with all columns. */
  async *read(file: InputFile, task: FilePart): AsyncGenerator<Batch, void, undefined> {
    let schema = this.schemaOf(file)
    const fill = this.filler(file)
    for (let begun = false; ; ) {
      try {
        for await (const batch of this.reader.readFile(this.taskOf(file, task, schema))) {
          begun = true
          yield fill(batch)
        }
        return
      } catch (error) {
        const lack = begun || schema === undefined ? undefined : await this.lackOf(error, schema)
        if (lack === undefined) throw error
        schema = without(schema!, (name) => name === lack)
      }
    }
  }

  private readonly isPartitioned = (name: string): boolean => Object.hasOwn(this.partitions.fields, name)

  /** The columns that are to be found in a file. */
  private schemaOf(file: InputFile): Schema | undefined {
    return this.own.get(file) ?? (this.schema === undefined ? undefined : without(this.schema, this.isPartitioned))
  }

  /** Only the columns that are looked at and that the file has. */
  private contextOf(schema: Schema | undefined, isPartitioned: (name: string) => boolean): OpenContext {
    const { columns } = this.context
    if (columns === undefined) return this.context
    return { ...this.context, columns: columns.filter((name) => !isPartitioned(name) && (schema === undefined || this.schema === undefined || !Object.hasOwn(this.schema, name) || Object.hasOwn(schema, name))) }
  }

  private filler(file: InputFile): (batch: Batch) => Batch {
    const { columns } = this.context
    const constants = new Map<string, ConstantColumn>()
    const constantOf = (name: string, field: Field): ConstantColumn => {
      let found = constants.get(name)
      if (found === undefined) constants.set(name, (found = new ConstantColumn(Object.hasOwn(this.partitions.fields, name) ? this.partitions.valueOf(file, name) : nullOf(field))))
      return found
    }
    return (batch) => {
      const all = this.schema ?? this.allOf(batch.schema)
      const names = Object.keys(all).filter((name) => columns === undefined || columns.includes(name))
      const isOwn = (name: string): boolean => Object.hasOwn(batch.schema, name) && !Object.hasOwn(this.partitions.fields, name)
      if (this.own.size === 0 && names.every(isOwn)) return batch
      const filled: { [name: string]: Column } = {}
      for (const name of names) filled[name] = isOwn(name) ? (batch.columns as { readonly [name: string]: Column })[name]! : constantOf(name, all[name]!).rows(batch.numRows)
      return makeBatch(Object.fromEntries(names.map((name) => [name, all[name]!])), filled, batch.numRows, batch.position)
    }
  }

  /** The column that a file lacks by this error, if it may be null and another of the files has it: else its name is wrong. */
  private async lackOf(error: unknown, schema: Schema): Promise<string | undefined> {
    if (!hasTag(error, 'Schema') || !LACKING.has(error.code)) return undefined
    const { column } = error.position
    if (column === undefined || !Object.hasOwn(schema, column) || !schema[column]!.nullable) return undefined
    let known = this.has.get(column)
    if (known === undefined) this.has.set(column, (known = this.anyHas(column)))
    return (await known) ? column : undefined
  }

  private async anyHas(column: string): Promise<boolean> {
    const { hasColumn, schemaOf } = this.reader
    for (const file of this.files) {
      if (hasColumn !== undefined ? await hasColumn(file, column, this.context.signal) : schemaOf !== undefined && Object.hasOwn((await schemaOf(file, this.context.signal)) ?? {}, column)) return true
    }
    return false
  }
}

const without = (schema: Schema, isLeftOut: (name: string) => boolean): Schema => Object.fromEntries(Object.entries(schema).filter(([name]) => !isLeftOut(name)))

const pick = (schema: Schema, names: readonly string[] | undefined): Schema => (names === undefined ? schema : Object.fromEntries(names.flatMap((name) => (Object.hasOwn(schema, name) ? [[name, schema[name]!]] : []))))
