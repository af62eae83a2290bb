import { failure, type MillraceError } from '@millrace/core'
import { ArrayFinder, ObjectsEnd } from './find-array.js'
import type { JsonFormat } from './json-options.js'

const TAB = 0x09
const NEWLINE = 0x0a
const RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const isSpace = (byte: number): boolean => byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB

/** What a {@link JsonSplitter} tells of what it finds; what it throws ends the text. */
export interface SplitterHandler {
  /** Bytes `start` to `end` are a record; with the white space after it, its line ends at `lineEnd`. */
  record(start: number, end: number, lineEnd: number): void
  /** The error of text that is no JSON array of records from `byte` on. */
  corrupt(problem: string, byte: number): MillraceError
}

/** Finds where records begin and end, byte by byte, without looking into them more than that takes. */
export interface JsonSplitter {
  /** Takes the bytes that stand at `offset` of the text. */
  push(chunk: Uint8Array, offset: number): void
  /** Looks no further, in the bytes that it was just given either. */
  stop(): void
  /** Ends the text. @throws `Corrupt` where it is cut short */
  finish(): void
  /** Offset of the first byte that is still needed: the record under way, or the end of what was pushed. */
  readonly held: number
}

/** JSON Lines: a record is what stands on a line, without the white space around it; lines with nothing on them are none. */
class LineSplitter implements JsonSplitter {
  private blank = true
  private stopped = false
  /** Offset after the last byte that is not white space. */
  private end: number
  private upTo: number

  constructor(
    public held: number,
    private readonly handler: SplitterHandler,
  ) {
    this.end = held
    this.upTo = held
  }

  push(chunk: Uint8Array, offset: number): void {
    let from = 0
    while (!this.stopped) {
      const newline = chunk.indexOf(NEWLINE, from)
      const to = newline < 0 ? chunk.length : newline
      this.take(chunk, from, to, offset)
      this.upTo = offset + to
      if (newline < 0) return
      this.endLine()
      from = newline + 1
    }
  }

  stop(): void {
    this.stopped = true
  }

  finish(): void {
    this.endLine()
  }

  /** Goes on with the line. */
  private take(chunk: Uint8Array, from: number, to: number, offset: number): void {
    if (this.blank) {
      while (from < to && isSpace(chunk[from]!)) from++
      this.held = offset + from
      this.blank = from === to
    }
    while (to > from && isSpace(chunk[to - 1]!)) to--
    if (to > from) this.end = offset + to
  }

  private endLine(): void {
    const { blank, held } = this
    this.blank = true
    if (blank) return
    this.held = this.end
    this.handler.record(held, this.end, this.upTo)
  }
}

const enum State {
  Start,
  FirstElement,
  Element,
  Nested,
  Text,
  Scalar,
  AfterElement,
  Done,
}

/** One array whose elements are the records. What stands between elements is checked here, elements are checked by the parser. */
class ArraySplitter implements JsonSplitter {
  private state: State
  private depth = 0
  private inString = false
  private escaped = false
  private stopped = false
  /** What stands before the array, until it is found. */
  private before: ArrayFinder | undefined
  /** What stands after it. */
  private readonly after: ObjectsEnd | undefined

  /**
   * @param held - offset of the first byte that will be pushed
   * @param within - whether that byte comes after an element of the array, not before the array
   * @param path - keys of the objects that the array is in
   */
  constructor(
    public held: number,
    within: boolean,
    private readonly handler: SplitterHandler,
    path: readonly string[] | undefined,
  ) {
    this.state = within ? State.AfterElement : State.Start
    if (path === undefined) return
    if (!within) this.before = new ArrayFinder(path)
    this.after = new ObjectsEnd(path)
  }

  push(chunk: Uint8Array, offset: number): void {
    let i = this.before === undefined ? 0 : this.find(this.before, chunk, offset)
    while (i < chunk.length && !this.stopped) {
      if (this.after !== undefined && this.state === State.Done) {
        const extra = this.after.push(chunk, i)
        if (extra !== undefined) throw this.handler.corrupt(extra.problem, offset + extra.at)
        break
      }
      if (this.state === State.Nested || this.state === State.Text) {
        i = this.skipWithin(chunk, i, offset)
        continue
      }
      const byte = chunk[i]!
      if (this.state === State.Scalar) {
        if (byte === COMMA || byte === CLOSE_BRACKET || isSpace(byte)) this.endElement(offset + i)
        else i++
        continue
      }
      if (!isSpace(byte)) this.structure(byte, offset + i)
      i++
    }
    if (this.state !== State.Nested && this.state !== State.Text && this.state !== State.Scalar) this.held = offset + chunk.length
  }

  stop(): void {
    this.stopped = true
  }

  finish(): void {
    if (this.before !== undefined) throw this.handler.corrupt(`the file ends before an array at ${this.before.shown}`, this.held)
    if (this.state === State.Done) {
      if (this.after?.isOver === false) throw this.handler.corrupt('the file ends within the object that its records are in', this.held)
      return
    }
    if (this.state === State.Start) throw this.handler.corrupt('the file is empty where a JSON array is due', this.held)
    throw this.handler.corrupt('the file ends within its JSON array', this.held)
  }

  /** Looks for the array; gives the index of its bracket, or the end. */
  private find(before: ArrayFinder, chunk: Uint8Array, offset: number): number {
    const found = before.push(chunk)
    if (found.problem !== undefined) throw this.handler.corrupt(found.problem, offset + found.at)
    if (found.isFound) this.before = undefined
    return found.at
  }

  /** A byte that is not white space, outside elements. */
  private structure(byte: number, at: number): void {
    switch (this.state) {
      case State.Start:
        if (byte !== OPEN_BRACKET) throw this.unexpected(byte, at, 'a JSON array is due')
        this.state = State.FirstElement
        return
      case State.FirstElement:
      case State.Element:
        if (byte === CLOSE_BRACKET && this.state === State.FirstElement) {
          this.state = State.Done
          return
        }
        this.beginElement(byte, at)
        return
      case State.AfterElement:
        if (byte === COMMA) this.state = State.Element
        else if (byte === CLOSE_BRACKET) this.state = State.Done
        else throw this.unexpected(byte, at, '"," or "]" is due')
        return
      default:
        throw this.unexpected(byte, at, 'the array has ended')
    }
  }

  private beginElement(byte: number, at: number): void {
    if (byte === COMMA || byte === CLOSE_BRACKET) throw this.unexpected(byte, at, 'an element is due')
    this.held = at
    this.depth = byte === OPEN_BRACE || byte === OPEN_BRACKET ? 1 : 0
    this.inString = byte === QUOTE
    this.escaped = false
    this.state = this.depth > 0 ? State.Nested : this.inString ? State.Text : State.Scalar
  }

  private endElement(end: number): void {
    const { held } = this
    this.held = end
    this.state = State.AfterElement
    this.handler.record(held, end, end)
  }

  /** Goes on within an object, array or string; gives the index to go on at. */
  private skipWithin(chunk: Uint8Array, from: number, offset: number): number {
    let { depth, inString, escaped } = this
    let i = from
    for (; i < chunk.length; i++) {
      const byte = chunk[i]!
      if (inString) {
        if (escaped) escaped = false
        else if (byte === BACKSLASH) escaped = true
        else if (byte === QUOTE) {
          inString = false
          if (depth === 0) break
        }
      } else if (byte === QUOTE) inString = true
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) break
    }
    this.depth = depth
    this.inString = inString
    this.escaped = escaped
    if (i === chunk.length) return i
    this.endElement(offset + i + 1)
    return i + 1
  }

  private unexpected(byte: number, at: number, due: string): MillraceError {
    const shown = byte > 0x20 && byte < 0x7f ? JSON.stringify(String.fromCharCode(byte)) : `the byte 0x${byte.toString(16).padStart(2, '0')}`
    return this.handler.corrupt(`${shown} stands where ${due}`, at)
  }
}

/**
 * The splitter of a format.
 *
 * @param start - offset of the first byte that will be pushed
 * @param within - whether that byte comes after an element of the array, not before the array
 * @param path - keys that lead to the array, where it is within objects
 */
export const splitterOf = (format: JsonFormat, start: number, within: boolean, handler: SplitterHandler, path?: readonly string[]): JsonSplitter =>
  format === 'lines' ? new LineSplitter(start, handler) : new ArraySplitter(start, within, handler, path)

/** The format by the first byte that is not white space; `undefined` when there is none in these bytes. @throws `Corrupt` for a byte that begins neither */
export const guessFormat = (chunk: Uint8Array, offset: number, source: string): JsonFormat | undefined => {
  const index = chunk.findIndex((byte) => !isSpace(byte))
  if (index < 0) return undefined
  if (chunk[index] === OPEN_BRACKET) return 'array'
  if (chunk[index] === OPEN_BRACE) return 'lines'
  throw failure({
    tag: 'Corrupt', code: 'JSON_NOT_JSON', problem: `the file begins with ${JSON.stringify(String.fromCharCode(chunk[index]!))}, as neither a JSON array nor JSON Lines do`,
    remedy: 'Check what the file is; with format: \'lines\' each line is a record of its own.', position: { source, byte: offset + index },
  })
}
