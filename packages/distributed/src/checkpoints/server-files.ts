import { failure, hasTag, isMillraceError } from '@millrace/core'
import { tensorTexts, type CallOptions, type Graph, type GraphNode, type HostTensor, type Session, type Tensor } from '@millrace/export'

/**
 * Files as a server sees them, by ops of the graph: the client need not reach them. There is no op that renames or removes a file.
 */
export interface ServerFiles {
  readonly name: Tensor
  readonly contents: Tensor
  readonly read: Tensor
  readonly write: GraphNode
  readonly matching: Tensor
}

/** Adds the ops, where the graph places them. */
export const addServerFiles = (graph: Graph): ServerFiles => {
  const [name, contents] = [graph.placeholder('file', 'string', []), graph.placeholder('contents', 'string', [])]
  return {
    name,
    contents,
    read: graph.one('ReadFile', [name]),
    write: graph.add('WriteFile', [name, contents]),
    matching: graph.one('MatchingFiles', [name]),
  }
}

/** The only string of a tensor. @throws `Model` when it holds something else */
export const onlyBytes = ({ data }: HostTensor): Uint8Array => {
  if (ArrayBuffer.isView(data) || data.length !== 1) throw failure({ tag: 'Model', code: 'WRONG_DTYPE', problem: 'the tensor is not one string' })
  return data.bytes.subarray(data.offsets[0], data.offsets[1])
}

const isMissing = (thrown: unknown): boolean => hasTag(thrown, 'NotFound') || (isMillraceError(thrown) && thrown.code === 'TF_NOT_FOUND')

/** The bytes of a file. @throws `Engine` with code `TF_NOT_FOUND` where there is none */
export const readServerFile = async (session: Session, files: ServerFiles, path: string, options: CallOptions): Promise<Uint8Array> => {
  const [contents] = await session.run({ feeds: { [files.name.name]: path }, fetches: [files.read.name] }, options)
  return onlyBytes(contents)
}

/** Writes a file, and the folders that it is in; not at once, so that one who reads it meanwhile may see a part. */
export const writeServerFile = (session: Session, files: ServerFiles, path: string, contents: string, options: CallOptions): Promise<unknown> =>
  session.run({ feeds: { [files.name.name]: path, [files.contents.name]: contents }, targets: [files.write.name] }, options)

/** Files that match a pattern. */
export const listServerFiles = async (session: Session, files: ServerFiles, pattern: string, options: CallOptions): Promise<readonly string[]> => {
  try {
    const [names] = await session.run({ feeds: { [files.name.name]: pattern }, fetches: [files.matching.name] }, options)
    return tensorTexts(names)
  } catch (thrown) {
    // Of a folder that is not there.
    if (isMissing(thrown)) return []
    throw thrown
  }
}
