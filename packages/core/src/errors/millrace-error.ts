import { shownUrl } from './shown-url.js'

/** Where in the input an error stands. Whatever is known is filled in; counts start at 0. */
export interface ErrorPosition {
  /** URL or path of the file, or the name of the source. Errors have it as {@link shownUrl} gives it: without credentials. */
  readonly source?: string | undefined
  /** Byte offset in the (decompressed) source. */
  readonly byte?: number | undefined
  /** Index of the record in the source. */
  readonly record?: number | undefined
  /** Line in the source, from 1, as editors count. */
  readonly line?: number | undefined
  /** Name of the column or feature. */
  readonly column?: string | undefined
}

/**
 * What went wrong, by the side that can mend it.
 *
 * - `NotFound`: a file, URL, glob or table that is not there
 * - `AlreadyExists`: an output that exists and may not be replaced
 * - `BadRecord`: one record is wrong; the records after it can still be read
 * - `Corrupt`: the framing of the source is lost; nothing after this position can be trusted
 * - `Limit`: a limit would be passed; nothing was allocated
 * - `Schema`: columns, kinds or shapes do not fit
 * - `Usage`: the arguments of a call do not make sense
 * - `Storage`: reading or writing failed (disk full, permission, network)
 * - `MissingPeer`: an optional dependency is not installed
 * - `Model`: a model, layer, op or graph that cannot be lowered or run
 * - `Engine`: DuckDB, TensorFlow or another engine refused the work
 * - `Aborted`: the caller's `AbortSignal` fired
 * - `Internal`: a defect of Millrace
 */
export type ErrorTag =
  | 'NotFound'
  | 'AlreadyExists'
  | 'BadRecord'
  | 'Corrupt'
  | 'Limit'
  | 'Schema'
  | 'Usage'
  | 'Storage'
  | 'MissingPeer'
  | 'Model'
  | 'Engine'
  | 'Aborted'
  | 'Internal'

/** What a {@link MillraceError} is made of. */
export interface ErrorDetails {
  readonly tag: ErrorTag
  /** Stable, upper-case, for programs: `TFRECORD_DATA_CRC`. */
  readonly code: string
  /** One sentence without a full stop that says what is wrong. */
  readonly problem: string
  /** One sentence that says what to do about it. */
  readonly remedy?: string | undefined
  readonly position?: ErrorPosition | undefined
  readonly cause?: unknown
}

/** Characters of a column's name in a message: in a file that is something else it may have megabytes. */
const LONGEST_NAME = 100

const describePosition = (position: ErrorPosition): string => {
  const parts: string[] = []
  if (position.source !== undefined) parts.push(position.source)
  if (position.line !== undefined) parts.push(`line ${position.line}`)
  if (position.record !== undefined) parts.push(`record ${position.record}`)
  if (position.column !== undefined) parts.push(`column "${position.column.length > LONGEST_NAME ? `${position.column.slice(0, LONGEST_NAME - 1)}…` : position.column}"`)
  if (position.byte !== undefined) parts.push(`byte ${position.byte}`)
  return parts.join(', ')
}

/** Sources come here from everywhere, as the user wrote them. */
const shownPosition = (position: ErrorPosition): ErrorPosition =>
  position.source === undefined ? position : { ...position, source: shownUrl(position.source) }

/** The one error family of Millrace: tagged, coded, positioned, with a remedy in its message. */
export class MillraceError extends Error {
  override readonly name: string = 'MillraceError'
  readonly _tag: ErrorTag
  readonly code: string
  readonly problem: string
  readonly remedy: string | undefined
  readonly position: ErrorPosition

  constructor(details: ErrorDetails) {
    const position = shownPosition(details.position ?? {})
    const place = describePosition(position)
    const message = `${details.problem}${place === '' ? '' : ` (${place})`}.${details.remedy === undefined ? '' : ` ${details.remedy}`}`
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this._tag = details.tag
    this.code = details.code
    this.problem = details.problem
    this.remedy = details.remedy
    this.position = position
  }

  /** The same error with more of its position known; what is already known wins. */
  at(position: ErrorPosition): MillraceError {
    return new MillraceError({
      tag: this._tag,
      code: this.code,
      problem: this.problem,
      remedy: this.remedy,
      position: { ...position, ...definedOnly(this.position) },
      cause: this.cause,
    })
  }

  toJSON(): object {
    return { name: this.name, tag: this._tag, code: this.code, message: this.message, position: this.position }
  }
}

const definedOnly = (position: ErrorPosition): ErrorPosition =>
  Object.fromEntries(Object.entries(position).filter(([, value]) => value !== undefined))

/** Makes a {@link MillraceError}: `throw failure({ tag: 'NotFound', … })`. */
export const failure = (details: ErrorDetails): MillraceError => new MillraceError(details)

/**
 * Recognises a {@link MillraceError} by name, so that it also knows those of another copy of this package
 * (the ESM and the CommonJS build may both be loaded).
 */
export const isMillraceError = (value: unknown): value is MillraceError =>
  value instanceof Error && value.name === 'MillraceError' && '_tag' in value && 'code' in value

/** True for a {@link MillraceError} with one of the given tags. */
export const hasTag = <const Tag extends ErrorTag>(value: unknown, ...tags: readonly Tag[]): value is MillraceError & { readonly _tag: Tag } =>
  isMillraceError(value) && (tags as readonly ErrorTag[]).includes(value._tag)
