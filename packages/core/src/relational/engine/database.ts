import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { concatColumns, type Column } from '../../columns/index.js'
import { failure, isMillraceError, throwIfAborted, type MillraceError } from '../../errors/index.js'
import type { Schema } from '../../schema/index.js'
import type { EngineOptions } from '../options.js'
import { loadBinding, type DuckBinding, type Handle } from './binding.js'
import { layoutOf } from './layout.js'
import { readVector } from './read-vector.js'
import { writeVector } from './write-vector.js'

/** Chunks of 2,048 rows that make one batch of a result: 16,384 rows. */
const CHUNKS_A_BATCH = 8

/** Some columns of equal length. */
export interface Rows {
  readonly numRows: number
  readonly columns: readonly Column[]
}

/** What the engine said, as our error; an interrupted query is an aborted one. */
const engineError = (thrown: unknown, signal: AbortSignal | undefined): MillraceError => {
  if (isMillraceError(thrown)) return thrown
  if (signal?.aborted === true) return failure({ tag: 'Aborted', code: 'ABORTED', problem: 'the work was aborted', cause: signal.reason })
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const memory = /^Out of Memory/i.test(message)
  return failure({
    tag: 'Engine',
    code: memory ? 'OUT_OF_MEMORY' : /^(Out of Range|Conversion) Error/i.test(message) ? 'OUT_OF_RANGE' : 'ENGINE',
    problem: `DuckDB refused the work: ${message.split('\n')[0]!.replace(/\.$/, '')}`,
    remedy: memory ? 'Raise memoryLimit, or give a temporaryFolder with more room.' : undefined,
    cause: thrown,
  })
}

/** One DuckDB database in memory, of one operator's run. */
export class Database {
  private readonly interrupt = (): void => this.binding.interrupt(this.connection)

  private constructor(
    private readonly binding: DuckBinding,
    private readonly database: Handle<'database'>,
    private readonly connection: Handle<'connection'>,
    private readonly folder: string,
    private readonly signal: AbortSignal | undefined,
  ) {
    signal?.addEventListener('abort', this.interrupt)
  }

  static async open(use: string, options: EngineOptions, threads: number, signal: AbortSignal | undefined): Promise<Database> {
    const binding = await loadBinding(use)
    throwIfAborted(signal)
    const folder = await mkdtemp(joinPath(options.temporaryFolder ?? tmpdir(), 'millrace-duckdb-'))
    try {
      const config = binding.create_config()
      // Extensions are never fetched: what runs is what was installed.
      const settings = {
        threads: `${threads}`, temp_directory: folder, autoinstall_known_extensions: 'false', autoload_known_extensions: 'false',
        ...(options.memoryLimit === undefined ? {} : { memory_limit: options.memoryLimit }),
      }
      for (const [name, value] of Object.entries(settings)) binding.set_config(config, name, value)
      const database = await binding.open(':memory:', config)
      return new Database(binding, database, await binding.connect(database), folder, signal)
    } catch (thrown) {
      await rm(folder, { recursive: true, force: true })
      throw engineError(thrown, signal)
    }
  }

  async close(): Promise<void> {
    this.signal?.removeEventListener('abort', this.interrupt)
    this.binding.disconnect_sync(this.connection)
    this.binding.close_sync(this.database)
    await rm(this.folder, { recursive: true, force: true })
  }

  async execute(sql: string): Promise<void> {
    await this.guard(() => this.binding.query(this.connection, sql))
  }

  /** Makes a table and gives what fills it. */
  async table(name: string, schema: Schema): Promise<TableWriter> {
    const columns = Object.entries(schema).map(([column, field]) => `${column} ${layoutOf(field).sql}`)
    await this.execute(`CREATE OR REPLACE TABLE ${name} (${columns.join(', ')})`)
    return new TableWriter(this.binding, this.connection, name, schema, (thrown) => engineError(thrown, this.signal))
  }

  /** The rows of a query, some thousands at a time, while the engine goes on. */
  async *query(sql: string, schema: Schema): AsyncGenerator<Rows, void, undefined> {
    const fields = Object.values(schema)
    let parts: Column[][] = []
    let numRows = 0
    const joined = (): Rows => {
      const columns = fields.map((field, index) => concatColumns(field, parts.map((part) => part[index]!)))
      const rows = { numRows, columns }
      parts = []
      numRows = 0
      return rows
    }
    const statement = await this.guard(() => this.binding.prepare(this.connection, sql))
    try {
      const result = await this.guard(() => this.binding.execute_prepared_streaming(statement))
      for (;;) {
        const chunk = await this.guard(() => this.binding.fetch_chunk(result))
        const length = chunk === null ? 0 : this.binding.data_chunk_get_size(chunk)
        if (chunk === null || length === 0) break
        parts.push(fields.map((field, index) => readVector(this.binding, this.binding.data_chunk_get_vector(chunk, index), field, length)))
        numRows += length
        if (parts.length === CHUNKS_A_BATCH) yield joined()
      }
    } finally {
      this.binding.destroy_prepare_sync(statement)
    }
    if (numRows > 0) yield joined()
  }

  private async guard<T>(work: () => Promise<T>): Promise<T> {
    // An interrupt stops what runs at that moment only, so one that came between two calls is looked for here.
    throwIfAborted(this.signal)
    try {
      return await work()
    } catch (thrown) {
      throw engineError(thrown, this.signal)
    }
  }
}

/** Appends columns to one table of the engine. */
export class TableWriter {
  rows = 0
  private readonly chunk: Handle<'chunk'>
  private readonly vectors: readonly Handle<'vector'>[]
  private readonly appender: Handle<'appender'>
  private readonly chunkRows: number

  constructor(
    private readonly binding: DuckBinding,
    connection: Handle<'connection'>,
    table: string,
    schema: Schema,
    private readonly wrap: (thrown: unknown) => MillraceError,
  ) {
    const types = Object.values(schema).map((field) => layoutOf(field).logicalType(binding))
    this.chunk = binding.create_data_chunk(types)
    this.vectors = types.map((_, index) => binding.data_chunk_get_vector(this.chunk, index))
    this.appender = binding.appender_create_ext(connection, null, null, table)
    this.chunkRows = binding.vector_size()
  }

  /** Appends rows; the columns are those of the table's schema, in its order. */
  append(columns: readonly Column[], numRows: number): void {
    const { binding, chunk, vectors } = this
    try {
      for (let start = 0; start < numRows; start += this.chunkRows) {
        const end = Math.min(numRows, start + this.chunkRows)
        binding.data_chunk_reset(chunk)
        for (let index = 0; index < vectors.length; index++) writeVector(binding, vectors[index]!, columns[index]!.slice(start, end))
        binding.data_chunk_set_size(chunk, end - start)
        binding.append_data_chunk(this.appender, chunk)
      }
      this.rows += numRows
    } catch (thrown) {
      throw this.wrap(thrown)
    }
  }

  /** Makes the rows visible to queries. */
  close(): void {
    try {
      this.binding.appender_close_sync(this.appender)
    } catch (thrown) {
      throw this.wrap(thrown)
    }
  }
}
