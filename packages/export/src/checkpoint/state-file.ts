import { readWhole, hasTag } from '@millrace/core'

/** A state file lists names; it is small. */
const MAX_STATE_BYTES = 2 ** 20

/** What the file `checkpoint` in a folder says (`tensorflow/python/training/checkpoint_state.proto`), by which TensorFlow finds the latest. */
export interface CheckpointState {
  /** Prefix of the latest checkpoint: absolute, or relative to the folder. */
  readonly latest: string
  /** All that are kept, the oldest first. */
  readonly all: readonly string[]
  /** When each of `all` was written, in seconds since 1970; empty where the file does not say. */
  readonly timestamps: readonly number[]
  /** When the last one that is kept for good was written. */
  readonly lastPreserved: number | undefined
}

/** A string as protobuf's text format has it. */
const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/** Escaped bytes are octal: names that are no ASCII come so from TensorFlow. */
const unquote = (text: string): string => {
  const parts: Uint8Array[] = []
  for (const [token] of text.matchAll(/\\[0-7]{1,3}|\\.|[^\\]+/gs)) {
    if (!token.startsWith('\\')) parts.push(Buffer.from(token))
    else if (/^\\[0-7]/.test(token)) parts.push(Uint8Array.of(Number.parseInt(token.slice(1), 8)))
    else parts.push(Buffer.from(escapes[token.slice(1)] ?? token.slice(1)))
  }
  return Buffer.concat(parts).toString('utf8')
}

/** The text of the file `checkpoint`. */
export const encodeCheckpointState = ({ latest, all, timestamps, lastPreserved }: CheckpointState): string =>
  [
    `model_checkpoint_path: ${quote(latest)}`,
    ...all.map((path) => `all_model_checkpoint_paths: ${quote(path)}`),
    ...timestamps.map((time) => `all_model_checkpoint_timestamps: ${time}`),
    ...(lastPreserved === undefined ? [] : [`last_preserved_timestamp: ${lastPreserved}`]),
    '',
  ].join('\n')

/** One field of the text, or a comment. */
const fields = /\s*(?:(\w+)\s*:\s*(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|([-+.\w]+))\s*[,;]?|#[^\n]*)/y

/** Reads the file `checkpoint`; `undefined` when it names no checkpoint, or is cut short or damaged. */
export const parseCheckpointState = (text: string): CheckpointState | undefined => {
  const values = new Map<string, string[]>()
  const content = text.trimEnd()
  fields.lastIndex = 0
  while (fields.lastIndex < content.length) {
    const match = fields.exec(content)
    if (match === null) return undefined
    const [, name, double, single, bare] = match
    if (name === undefined) continue
    const quoted = double ?? single
    const known = values.get(name) ?? []
    known.push(quoted === undefined ? (bare as string) : unquote(quoted))
    values.set(name, known)
  }
  const latest = values.get('model_checkpoint_path')?.at(-1)
  if (latest === undefined || latest === '') return undefined
  const all = values.get('all_model_checkpoint_paths') ?? []
  const timestamps = (values.get('all_model_checkpoint_timestamps') ?? []).map(Number)
  const preserved = values.get('last_preserved_timestamp')?.map(Number).at(-1)
  return {
    latest,
    all: all.includes(latest) ? all : [...all, latest],
    timestamps: timestamps.length === all.length ? timestamps : [],
    lastPreserved: preserved,
  }
}

const isAbsolute = (path: string): boolean => path.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(path)

/** A checkpoint of a state file as a prefix to read. */
export const checkpointPath = (folder: string, path: string): string => (isAbsolute(path) ? path : `${folder.replace(/\/+$/, '')}/${path}`)

/**
 * The prefix of the latest checkpoint in a folder, as `tf.train.latest_checkpoint` gives it; `undefined` where there is none.
 *
 * @param folder - path or URL
 */
export const latestCheckpoint = async (folder: string, signal?: AbortSignal): Promise<string | undefined> => {
  try {
    const bytes = await readWhole(checkpointPath(folder, 'checkpoint'), { limitBytes: MAX_STATE_BYTES, signal })
    const state = parseCheckpointState(new TextDecoder().decode(bytes))
    return state === undefined ? undefined : checkpointPath(folder, state.latest)
  } catch (thrown) {
    if (hasTag(thrown, 'NotFound')) return undefined
    throw thrown
  }
}
