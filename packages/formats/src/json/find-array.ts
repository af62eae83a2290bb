const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Longest key that is compared with the path; a longer one is none of it. */
const LONGEST_KEY = 64 * 1024

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
const shown = (byte: number): string => (byte > 0x20 && byte < 0x7f ? JSON.stringify(String.fromCharCode(byte)) : `the byte 0x${byte.toString(16).padStart(2, '0')}`)

/** Whether the bytes between the quotes of a key are those of a name. */
const isKey = (bytes: readonly number[], name: string | undefined): boolean => {
  try {
    return JSON.parse(`"${Buffer.from(bytes).toString('utf8')}"`) === name
  } catch {
    return false
  }
}

const enum Expect {
  Object,
  Key,
  WithinKey,
  Colon,
  Value,
  Skipped,
  After,
}

/** Where a search has come to: a bracket, the end of the bytes, or something that cannot be. */
interface Found {
  readonly at: number
  readonly isFound: boolean
  readonly problem?: string | undefined
}

/** Finds the array at a path of keys within an object, byte by byte. What stands before it is looked at no more than that takes. */
export class ArrayFinder {
  private expect = Expect.Object
  /** Keys of the path that lead to the object under way. */
  private level = 0
  private key: number[] = []
  private escaped = false
  private inString = false
  /** Objects and arrays that are open within a value that is skipped. */
  private depth = 0

  constructor(private readonly path: readonly string[]) {}

  /** The path as an error shows it. */
  get shown(): string {
    return JSON.stringify(this.path.join('.'))
  }

  push(chunk: Uint8Array): Found {
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (this.expect === Expect.WithinKey) this.withinKey(byte)
      else if (this.expect === Expect.Skipped && !this.skip(byte)) continue
      else if (!isSpace(byte)) {
        const taken = this.structure(byte)
        if (taken === 'found') return { at, isFound: true }
        if (taken !== undefined) return { at, isFound: false, problem: taken }
      }
    }
    return { at: chunk.length, isFound: false }
  }

  private withinKey(byte: number): void {
    if (byte === QUOTE && !this.escaped) this.expect = Expect.Colon
    else {
      this.escaped = byte === BACKSLASH && !this.escaped
      if (this.key.length < LONGEST_KEY) this.key.push(byte)
    }
  }

  /** Goes on within a value that is not wanted. True at the byte after it, which is the object's. */
  private skip(byte: number): boolean {
    if (this.inString) {
      if (this.escaped) this.escaped = false
      else if (byte === BACKSLASH) this.escaped = true
      else if (byte === QUOTE) this.inString = false
      return false
    }
    if (this.depth === 0 && (byte === COMMA || byte === CLOSE_BRACE)) {
      this.expect = Expect.After
      return true
    }
    if (byte === QUOTE) this.inString = true
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.depth++
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && this.depth > 0) this.depth--
    return false
  }

  /** A byte of an object on the way. Gives what cannot be, or that the array begins here. */
  private structure(byte: number): string | undefined {
    switch (this.expect) {
      case Expect.Object:
        if (byte !== OPEN_BRACE) return `${shown(byte)} stands where an object is due, with the records at ${this.shown}`
        this.expect = Expect.Key
        return undefined
      case Expect.Key:
        if (byte === CLOSE_BRACE) return this.missing()
        if (byte !== QUOTE) return `${shown(byte)} stands where a key is due`
        this.key = []
        this.escaped = false
        this.expect = Expect.WithinKey
        return undefined
      case Expect.Colon:
        if (byte !== COLON) return `${shown(byte)} stands where ":" is due`
        this.expect = Expect.Value
        return undefined
      case Expect.Value:
        return this.value(byte)
      default:
        if (byte === CLOSE_BRACE) return this.missing()
        this.expect = Expect.Key
        return undefined
    }
  }

  private value(byte: number): string | undefined {
    const isWanted = isKey(this.key, this.path[this.level])
    if (isWanted && this.level === this.path.length - 1) {
      return byte === OPEN_BRACKET ? 'found' : `${shown(byte)} stands where the array of the records is due, at ${this.shown}`
    }
    if (isWanted && byte === OPEN_BRACE) {
      this.level++
      this.expect = Expect.Key
      return undefined
    }
    this.expect = Expect.Skipped
    this.depth = 0
    this.skip(byte)
    return undefined
  }

  private missing(): string {
    return `the object has no array at ${this.shown}`
  }
}

/** What may not stand after an array, and where. */
interface Extra {
  readonly at: number
  readonly problem: string
}

/**
 * Finds the end of the objects that an array was in: brackets and quotes are counted, nothing else is looked at but the keys of these objects. One
 * that comes again says that the array, whose records are read by then, does not count.
 */
export class ObjectsEnd {
  private depth: number
  /** How many of the objects have not ended yet. */
  private level: number
  private inString = false
  private escaped = false
  private expectsKey = false
  /** Bytes of a key of one of the objects, where the string under way is one. */
  private key: number[] | undefined

  /** @param path - the keys that led to the array */
  constructor(private readonly path: readonly string[]) {
    this.depth = path.length
    this.level = path.length
  }

  /** Whether the objects have ended. */
  get isOver(): boolean {
    return this.depth === 0
  }

  /** Takes the bytes from `from` on, as far as what may stand there. */
  push(chunk: Uint8Array, from: number): Extra | undefined {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (this.depth === 0) {
        if (!isSpace(byte)) return { at, problem: `${shown(byte)} stands where the object has ended` }
      } else if (!this.inString) this.structure(byte)
      else if (this.within(byte)) return { at, problem: `the key ${JSON.stringify(this.path[this.level - 1])} comes again after the array of the records, which does not count then` }
    }
    return undefined
  }

  private structure(byte: number): void {
    if (byte === QUOTE) {
      this.inString = true
      this.key = this.expectsKey ? [] : undefined
      this.expectsKey = false
    } else if (byte === COMMA) this.expectsKey = this.depth === this.level
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.level = Math.min(this.level, --this.depth)
  }

  /** A byte of a string. True where that ends and was a key of the path. */
  private within(byte: number): boolean {
    const ends = byte === QUOTE && !this.escaped
    this.escaped = byte === BACKSLASH && !this.escaped
    this.inString = !ends
    if (this.key === undefined) return false
    if (ends) return isKey(this.key, this.path[this.level - 1])
    if (this.key.length < LONGEST_KEY) this.key.push(byte)
    return false
  }
}
