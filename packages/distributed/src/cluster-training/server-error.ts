import { failure, fromUnknown, type MillraceError } from '@millrace/core'
import { noteOf } from './lost-session.js'
import type { ClusterTrainingOptions } from './options.js'

/** What TensorFlow's words are about, and what to do then. */
const remedies: readonly (readonly [words: RegExp, remedy: string])[] = [
  [/is required but could not be found|Key: .*Can't parse|Could not parse example|Data types don't match/i, 'See that the rows have the columns that the model and its label take, with their kinds and lengths.'],
  [/corrupted record|truncated record|Is a directory|Not a directory|inflate|Invalid.*(gzip|zlib)/i, 'See that the files are TFRecords, whole, and packed as data.compression says.'],
]

const filesOf = ({ data }: Pick<ClusterTrainingOptions, 'data'>): string | undefined => {
  if (typeof data !== 'object' || !('files' in data)) return undefined
  return typeof data.files === 'string' ? data.files : data.files.join(', ')
}

/**
 * What a server says of a step, in one line: TensorFlow tells it once for each node and process that heard of it. All of it is in the cause.
 * Of data that the servers read, it does not say which.
 */
export const inOneLine = (thrown: unknown, options: Pick<ClusterTrainingOptions, 'data'>): MillraceError => {
  const error = fromUnknown(thrown)
  if (error._tag !== 'Engine' || !error.problem.includes('\n')) return error
  const { code, position } = error
  const problem = noteOf(error).replace(/\.$/, '')
  const known = remedies.find(([words]) => words.test(problem))
  const files = filesOf(options)
  const isOfData = known !== undefined && files !== undefined
  return failure({ tag: 'Engine', code, problem, remedy: isOfData ? known[1] : error.remedy, position: isOfData ? { source: files } : position, cause: thrown })
}
