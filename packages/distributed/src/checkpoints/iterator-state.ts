import { randomUUID } from 'node:crypto'
import { failure } from '@millrace/core'
import type { CallOptions, Graph, GraphNode, Session, Tensor } from '@millrace/export'
import { onlyBytes } from './server-files.js'

/** The state of an iterator in a server, read and given back through a graph. */
export interface IteratorState {
  /** The state, shuffle buffers and all: as large as these. Not while a step takes from the iterator. */
  read(session: Session, options?: CallOptions): Promise<Uint8Array>
  /** Makes the iterator go on where it stood; it has to have been made of the same dataset before. */
  write(session: Session, state: Uint8Array, options?: CallOptions): Promise<void>
}

const FILES = ['.index', '.data-00000-of-00001'] as const
const KEY = 'iterator'

const pack = ([index, data]: readonly [Uint8Array, Uint8Array]): Uint8Array => {
  const state = new Uint8Array(4 + index.length + data.length)
  new DataView(state.buffer).setUint32(0, index.length, true)
  state.set(index, 4)
  state.set(data, 4 + index.length)
  return state
}

const unpack = (state: Uint8Array): readonly [Uint8Array, Uint8Array] => {
  const size = state.length < 4 ? Infinity : new DataView(state.buffer, state.byteOffset).getUint32(0, true)
  if (4 + size > state.length) throw failure({ tag: 'Corrupt', code: 'ITERATOR_STATE', problem: `the ${state.length} bytes are no state of an iterator` })
  return [state.subarray(4, 4 + size), state.subarray(4 + size)]
}

/**
 * Adds what reads and writes the state of an iterator. A variant cannot be fetched, so the server writes it as a small checkpoint to
 * a file system in its memory (`ram://`), and gives back the files' bytes: nothing touches the worker's disk, and the client may keep them
 * anywhere, as in the checkpoint of the variables (`InputPosition.iterator`).
 *
 * @param iterator - resource: IteratorV2's handle
 * @param options.device - the worker's, where the iterator is
 */
export const addIteratorState = (graph: Graph, iterator: Tensor, options: { readonly device?: string | undefined } = {}): IteratorState =>
  graph.atRoot(() => graph.scope('iterator_state', () => graph.withDevice(options.device ?? iterator.node.device, () => {
    const prefix = graph.placeholder('prefix', 'string', [])
    const names = FILES.map((_, at) => graph.placeholder(`file_${at}`, 'string', []))
    const [key, spec] = [graph.vector('string', [KEY], 'key'), graph.vector('string', [''], 'slice')]
    const save = graph.add('SaveV2', [prefix, key, spec, [graph.one('SerializeIterator', [iterator])]])
    const reads = names.map((name) => graph.one('ReadFile', [name], {}, { control: [save] }))
    const contents = FILES.map((_, at) => graph.placeholder(`contents_${at}`, 'string', []))
    const writes = names.map((name, at) => graph.add('WriteFile', [name, contents[at] as Tensor]))
    const restored = graph.one('RestoreV2', [prefix, key, spec], { dtypes: ['variant'] }, { control: writes })
    const restore = graph.add('DeserializeIterator', [iterator, restored])
    // No op removes a file; a checkpoint of one number takes the place of the state.
    const shrink = (after: readonly GraphNode[], name: string): GraphNode =>
      graph.add('SaveV2', [prefix, key, spec, [graph.scalar('int32', 0, 'nothing')]], {}, { name, control: after })
    const [readAll, writeAll] = [shrink(reads.map(({ node }) => node), 'read'), shrink([restore], 'write')]
    const paths = (path: string) => [[prefix.name, path], ...names.map(({ name }, at) => [name, `${path}${FILES[at] as string}`] as const)] as const
    // Of its own: all sessions of a server share its memory.
    const folder = `ram://millrace/${randomUUID()}`
    let written = 0
    return {
      read: async (session, call) => {
        const [index, data] = await session.run({ feeds: paths(`${folder}/read`), fetches: reads.map(({ name }) => name), targets: [readAll.name] }, call)
        return pack([onlyBytes(index!), onlyBytes(data!)])
      },
      write: async (session, state, call) => {
        const [index, data] = unpack(state)
        // A new name each time: WriteFile appends to a file in memory.
        written += 1
        const fed = (at: 0 | 1, bytes: Uint8Array) => [contents[at]!.name, { dtype: 'string' as const, shape: [], data: [bytes] }] as const
        await session.run({ feeds: [...paths(`${folder}/write-${written}`), fed(0, index), fed(1, data)], targets: [writeAll.name] }, call)
      },
    }
  })))
