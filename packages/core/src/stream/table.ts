/** Widest a cell of a text table gets; longer values are cut. */
const MAX_CELL = 40

/** Digits after the point, or after its zeros, that a cell shows: float32 holds seven digits, and people read fewer. */
const FRACTION_DIGITS = 6

const shortNumber = (value: number): string => String(Number(Math.abs(value) >= 1 ? value.toFixed(FRACTION_DIGITS) : value.toPrecision(FRACTION_DIGITS)))

type Heading = readonly (readonly [name: string, kind: string])[]

const show = (value: unknown): string => {
  if (value === null || value === undefined) return 'null'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'number' && !Number.isInteger(value)) return shortNumber(value)
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  return String(value)
}

const oneLine = (value: unknown): string => {
  // Line breaks and control characters would break the table, or the terminal.
  const text = show(value).replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => JSON.stringify(character).slice(1, -1))
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL - 1)}…` : text
}

const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint'

/** A table as monospaced text: names, kinds, a rule, rows. Numbers stand to the right. */
export const renderText = (heading: Heading, rows: readonly (readonly unknown[])[]): string => {
  const cells = rows.map((row) => row.map(oneLine))
  const widths = heading.map(([name, kind], i) => Math.max(name.length, kind.length, ...cells.map((row) => row[i]!.length)))
  const right = heading.map((_, i) => rows.some((row) => isNumber(row[i])))
  const line = (texts: readonly string[]): string => texts.map((text, i) => (right[i] === true ? text.padStart(widths[i]!) : text.padEnd(widths[i]!))).join('  ').trimEnd()
  const kinds = heading.some(([, kind]) => kind !== '') ? [line(heading.map(([, kind]) => kind))] : []
  return [line(heading.map(([name]) => name)), ...kinds, widths.map((width) => '─'.repeat(width)).join('  '), ...cells.map(line)].join('\n')
}

const escapes: { readonly [character: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (character) => escapes[character]!)

/** A table as HTML, every text escaped. */
export const renderHtml = (heading: Heading, rows: readonly (readonly unknown[])[]): string => {
  const head = heading.map(([name, kind]) => `<th>${escapeHtml(name)}<br><small>${escapeHtml(kind)}</small></th>`).join('')
  const body = rows.map((row) => `<tr>${row.map((value) => `<td${isNumber(value) ? ' align="right"' : ''}>${escapeHtml(show(value))}</td>`).join('')}</tr>`).join('')
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`
}
