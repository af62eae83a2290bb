import { failure, type MillraceError } from '@millrace/core'

/** A message in Protocol Buffers' text format, untyped: the values of each field in their order. */
export interface TextMessage {
  readonly fields: ReadonlyMap<string, readonly TextValue[]>
}

/** A value: a text, a number or word as it stands, or a message. */
export type TextValue = { readonly text: string } | { readonly word: string } | TextMessage

/** Nesting that Google's parsers take too. */
const MAX_DEPTH = 100

const SPACE = /(?:[ \t\r\n\v\f]|#[^\n]*)*/y
const WORD = /[+-]?\s*[A-Za-z0-9_.][\w.+-]*/y
const NAME = /[A-Za-z_]\w*|\[[\w./%-]*\]|\d+/y
const STRING = /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'/y
const simpleEscapes: { readonly [letter: string]: number } = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 }

/**
 * Parses the text format of any message, without its definition.
 *
 * @param source - its name, for errors
 * @throws `Corrupt` TEXT_PROTO with line and place; `Limit` TEXT_PROTO_DEPTH
 * @see https://protobuf.dev/reference/protobuf/textformat-spec/
 */
export const parseTextProto = (text: string, source: string): TextMessage => new Parser(text, source).whole()

class Parser {
  private at = 0

  constructor(
    private readonly text: string,
    private readonly source: string,
  ) {}

  whole(): TextMessage {
    return this.message(undefined, 0)
  }

  /** The fields up to `close`, or to the end. */
  private message(close: string | undefined, depth: number): TextMessage {
    if (depth > MAX_DEPTH) {
      throw failure({ tag: 'Limit', code: 'TEXT_PROTO_DEPTH', problem: `messages are nested more than ${MAX_DEPTH} levels deep`, remedy: 'No such message is written by tools; check the file.', position: this.position() })
    }
    const fields = new Map<string, TextValue[]>()
    for (;;) {
      this.space()
      if (this.at >= this.text.length) {
        if (close === undefined) return { fields }
        throw this.wrong(`the text ends where ${close} is due`)
      }
      if (close !== undefined && this.take(close)) return { fields }
      const name = this.match(NAME) ?? this.unexpected('the name of a field')
      const values = fields.get(name) ?? []
      fields.set(name, values)
      this.space()
      const hasColon = this.take(':')
      this.space()
      if (hasColon && this.take('[')) this.list(values, depth)
      else values.push(this.value(hasColon, depth))
      this.space()
      if (!this.take(',')) this.take(';')
    }
  }

  private list(values: TextValue[], depth: number): void {
    this.space()
    if (this.take(']')) return
    for (;;) {
      this.space()
      values.push(this.value(true, depth))
      this.space()
      if (this.take(']')) return
      if (!this.take(',')) this.unexpected(', or ]')
    }
  }

  private value(mayBeScalar: boolean, depth: number): TextValue {
    if (this.take('{')) return this.message('}', depth + 1)
    if (this.take('<')) return this.message('>', depth + 1)
    if (!mayBeScalar) return this.unexpected(': or {')
    const next = this.text[this.at]
    if (next === '"' || next === "'") return { text: this.strings() }
    const word = this.match(WORD) ?? this.unexpected('a value')
    return { word: word.replace(/\s+/g, '') }
  }

  /** Texts that follow each other are one. */
  private strings(): string {
    const parts: Uint8Array[] = []
    for (;;) {
      const raw = this.match(STRING)
      if (raw === undefined) {
        if (parts.length > 0) break
        throw this.wrong('a text does not end on its line')
      }
      parts.push(this.unescaped(raw.slice(1, -1)))
      this.space()
    }
    return Buffer.concat(parts).toString('utf8')
  }

  /** Octal and hexadecimal escapes are bytes, of which several may be one character. */
  private unescaped(raw: string): Uint8Array {
    if (!raw.includes('\\')) return Buffer.from(raw)
    const parts: Uint8Array[] = []
    const escape = /\\(?:([0-7]{1,3})|[xX]([\da-fA-F]{1,2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))|[^\\]+/g
    for (const [whole, octal, hex, short, long, letter] of raw.matchAll(escape)) {
      const point = short ?? long
      if (octal !== undefined) parts.push(Uint8Array.of(Number.parseInt(octal, 8) & 255))
      else if (hex !== undefined) parts.push(Uint8Array.of(Number.parseInt(hex, 16)))
      else if (point !== undefined) parts.push(Buffer.from(this.character(Number.parseInt(point, 16))))
      else if (letter === undefined) parts.push(Buffer.from(whole))
      else if (simpleEscapes[letter] !== undefined) parts.push(Uint8Array.of(simpleEscapes[letter]))
      else if (/[\\'"?]/.test(letter)) parts.push(Buffer.from(letter))
      else throw this.wrong(`there is no escape ${whole}`)
    }
    return Buffer.concat(parts)
  }

  private character(point: number): string {
    if (point > 0x10ffff) throw this.wrong('an escape is beyond Unicode')
    return String.fromCodePoint(point)
  }

  private space(): void {
    SPACE.lastIndex = this.at
    this.at += SPACE.exec(this.text)?.[0].length ?? 0
  }

  private take(character: string): boolean {
    if (this.text[this.at] !== character) return false
    this.at++
    return true
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0]
    this.at += found?.length ?? 0
    return found
  }

  private unexpected(due: string): never {
    throw this.wrong(`${JSON.stringify(this.text.slice(this.at, this.at + 20))} stands where ${due} is due`)
  }

  private position(): { readonly source: string; readonly line: number } {
    return { source: this.source, line: this.text.slice(0, this.at).split('\n').length }
  }

  private wrong(problem: string): MillraceError {
    return failure({ tag: 'Corrupt', code: 'TEXT_PROTO', problem: `this is no message in Protocol Buffers' text format: ${problem}`, remedy: 'Check what the file is.', position: this.position() })
  }
}
