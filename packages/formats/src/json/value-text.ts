import type { JsonToken } from './json-row.js'

/** Writes the tokens of one value as JSON: without white space, numbers with every digit that they had. */
export class ValueText {
  private readonly parts: string[] = []
  private depth = 0
  private needsComma = false

  /** Takes the next token. True when the value has ended. */
  take(token: JsonToken): boolean {
    switch (token.name) {
      case 'startObject':
      case 'startArray':
        this.begin(token.name === 'startObject' ? '{' : '[')
        this.needsComma = false
        this.depth++
        return false
      case 'endObject':
      case 'endArray':
        this.parts.push(token.name === 'endObject' ? '}' : ']')
        this.depth--
        break
      case 'keyValue':
        this.begin(`${JSON.stringify(token.value)}:`)
        this.needsComma = false
        return false
      case 'stringValue':
        this.begin(JSON.stringify(token.value))
        break
      default:
        // Numbers are texts here.
        this.begin(String((token as { readonly value?: unknown }).value))
    }
    this.needsComma = true
    return this.depth === 0
  }

  get text(): string {
    return this.parts.join('')
  }

  private begin(text: string): void {
    if (this.needsComma) this.parts.push(',')
    this.parts.push(text)
  }
}
