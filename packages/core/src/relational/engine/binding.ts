import { createRequire } from 'node:module'
import { loadPeer } from '../../errors/index.js'

/** Something that DuckDB owns; released by the garbage collector. */
export type Handle<Name extends string> = { readonly handle: Name }

/**
 * The calls of DuckDB's C API that we use, as `@duckdb/node-bindings` names them. `@duckdb/node-api`, which wraps them, reads
 * and writes one value at a time; tables of typed arrays need the vectors' memory itself.
 */
export interface DuckBinding {
  create_config(): Handle<'config'>
  set_config(config: Handle<'config'>, name: string, value: string): void
  open(path: string, config: Handle<'config'>): Promise<Handle<'database'>>
  close_sync(database: Handle<'database'>): void
  connect(database: Handle<'database'>): Promise<Handle<'connection'>>
  disconnect_sync(connection: Handle<'connection'>): void
  interrupt(connection: Handle<'connection'>): void
  query(connection: Handle<'connection'>, sql: string): Promise<Handle<'result'>>
  prepare(connection: Handle<'connection'>, sql: string): Promise<Handle<'statement'>>
  execute_prepared_streaming(statement: Handle<'statement'>): Promise<Handle<'result'>>
  destroy_prepare_sync(statement: Handle<'statement'>): void
  fetch_chunk(result: Handle<'result'>): Promise<Handle<'chunk'> | null>
  create_logical_type(type: number): Handle<'type'>
  create_list_type(item: Handle<'type'>): Handle<'type'>
  create_data_chunk(types: readonly Handle<'type'>[]): Handle<'chunk'>
  data_chunk_reset(chunk: Handle<'chunk'>): void
  data_chunk_get_size(chunk: Handle<'chunk'>): number
  data_chunk_set_size(chunk: Handle<'chunk'>, size: number): void
  data_chunk_get_vector(chunk: Handle<'chunk'>, column: number): Handle<'vector'>
  vector_size(): number
  vector_get_data(vector: Handle<'vector'>, bytes: number): Uint8Array
  vector_get_validity(vector: Handle<'vector'>, bytes: number): Uint8Array | null
  vector_ensure_validity_writable(vector: Handle<'vector'>): void
  vector_assign_string_element_len(vector: Handle<'vector'>, row: number, bytes: Uint8Array): void
  list_vector_get_child(vector: Handle<'vector'>): Handle<'vector'>
  list_vector_get_size(vector: Handle<'vector'>): number
  list_vector_set_size(vector: Handle<'vector'>, size: number): void
  list_vector_reserve(vector: Handle<'vector'>, size: number): void
  copy_data_to_vector(vector: Handle<'vector'>, at: number, source: ArrayBufferLike, start: number, bytes: number): void
  copy_data_to_vector_validity(vector: Handle<'vector'>, at: number, source: ArrayBufferLike, start: number, bytes: number): void
  get_data_from_pointer(source: ArrayBufferLike, pointerAt: number, bytes: number): Uint8Array
  appender_create_ext(connection: Handle<'connection'>, catalog: string | null, schema: string | null, table: string): Handle<'appender'>
  append_data_chunk(appender: Handle<'appender'>, chunk: Handle<'chunk'>): void
  appender_close_sync(appender: Handle<'appender'>): void
}

let loaded: Promise<DuckBinding> | undefined

/** DuckDB's binding, of the version that the installed `@duckdb/node-api` brings. @throws `MissingPeer` */
export const loadBinding = (use: string): Promise<DuckBinding> =>
  (loaded ??= loadPeer('@duckdb/node-api', use, async () => {
    const api = createRequire(import.meta.url).resolve('@duckdb/node-api')
    return createRequire(api)('@duckdb/node-bindings') as DuckBinding
  }).catch((error: unknown) => {
    loaded = undefined
    throw error
  }))
