import { failure, type MillraceError } from '@millrace/core'

/** TensorFlow's status codes, which are gRPC's (`tensorflow/core/protobuf/error_codes.proto`). */
const codes: readonly (readonly [name: string, remedy?: string])[] = [
  ['OK'],
  ['CANCELLED'],
  ['UNKNOWN'],
  ['INVALID_ARGUMENT', 'Check the names, dtypes and shapes of what is fed, and that every placeholder is.'],
  ['DEADLINE_EXCEEDED', 'Give it a longer timeoutMs, or find out what it waits for.'],
  ['NOT_FOUND', 'Check the names of feeds, fetches and targets, and the paths in the graph.'],
  ['ALREADY_EXISTS'],
  ['PERMISSION_DENIED'],
  ['RESOURCE_EXHAUSTED', 'Use smaller batches, or a machine with more memory.'],
  ['FAILED_PRECONDITION', 'Run the initialisers of variables and tables first, or restore a checkpoint.'],
  ['ABORTED', 'Make a new session: the server has lost this one, or another process of the cluster was restarted.'],
  ['OUT_OF_RANGE', 'This is the end of the data, unless an index is wrong.'],
  ['UNIMPLEMENTED', 'Check the version of the TensorFlow that runs it.'],
  ['INTERNAL'],
  ['UNAVAILABLE', 'Check that the server runs and its address, then make a new session.'],
  ['DATA_LOSS'],
  ['UNAUTHENTICATED'],
]

/** The number of a code that Millrace answers itself. */
export const DEADLINE_EXCEEDED = 4

/** Longest message that is shown: TensorFlow's hold whole stacks of nodes. All of it is in the cause. */
const MAX_SHOWN = 1_000

/**
 * A status of TensorFlow as an error: tag `Engine`, code `TF_` and the name of the status, such as `TF_UNAVAILABLE`.
 *
 * @param source - the target that answered, where it was a server
 */
export const statusFailure = (code: number, message: string, source?: string): MillraceError => {
  const [name, remedy] = codes[code] ?? [`STATUS_${code}`]
  const text = message.trim().replace(/\.$/, '')
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
  return failure({
    tag: 'Engine',
    code: `TF_${name}`,
    problem: shown === '' ? `TensorFlow answered ${name}` : shown,
    remedy,
    position: { source },
    ...(text.length > MAX_SHOWN ? { cause: text } : {}),
  })
}

/** The error of a step, or of `what` else was asked for, whose time is up. */
export const deadlineFailure = (timeoutMs: number, source?: string, what = 'the step'): MillraceError =>
  statusFailure(DEADLINE_EXCEEDED, `${what} did not end within ${timeoutMs} ms`, source)
