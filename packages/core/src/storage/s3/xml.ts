/** An element of an XML document. */
export interface XmlElement {
  readonly name: string
  /** Its text, without that of elements within. */
  readonly text: string
  readonly children: readonly XmlElement[]
}

/** S3's answers nest to four levels. */
const MAX_DEPTH = 16

const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The five entities that XML has and numbers; no document brings more. */
const unescaped = (text: string): string | undefined => {
  let sound = true
  const plain = text.replace(/&(?:#(\d{1,7})|#x([\da-fA-F]{1,6})|(\w+));|&/g, (_, decimal?: string, hex?: string, name?: string) => {
    const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? parseInt(hex, 16) : undefined
    if (code !== undefined && code <= 0x10ffff) return String.fromCodePoint(code)
    const found = name === undefined ? undefined : Object.hasOwn(named, name) ? named[name] : undefined
    sound &&= found !== undefined
    return found ?? ''
  })
  return sound ? plain : undefined
}

interface Open {
  readonly name: string
  text: string
  readonly children: XmlElement[]
}

const token = /<\?[^?]*\?>|<!--[^]*?-->|<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[^\s<>"'=]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y

/**
 * The root element of a small XML document as S3 answers with: elements and texts, attributes skipped, no document types, hence no
 * entities but XML's own. `undefined` for what is no such document.
 */
export const parseXml = (document: string): XmlElement | undefined => {
  const top: Open = { name: '', text: '', children: [] }
  const stack = [top]
  token.lastIndex = 0
  while (token.lastIndex < document.length) {
    const match = token.exec(document)
    if (match === null) return undefined
    const [, closing, name, , selfClosing, text] = match
    const inner = stack.at(-1)!
    if (text !== undefined) {
      const plain = unescaped(text)
      if (plain === undefined) return undefined
      inner.text += plain
    } else if (closing === '/') {
      if (stack.length === 1 || inner.name !== name) return undefined
      stack.pop()
    } else if (name !== undefined) {
      const element: Open = { name, text: '', children: [] }
      inner.children.push(element)
      if (selfClosing === '/') continue
      if (stack.push(element) > MAX_DEPTH) return undefined
    }
  }
  return stack.length === 1 && top.children.length === 1 ? top.children[0] : undefined
}

/** The elements of a name within another. */
export const childrenOf = (element: XmlElement | undefined, name: string): readonly XmlElement[] => element?.children.filter((child) => child.name === name) ?? []

/** The text of the element of a name within another. */
export const textOf = (element: XmlElement | undefined, name: string): string | undefined => childrenOf(element, name)[0]?.text

/** A text as it stands in an element. */
export const xmlText = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
