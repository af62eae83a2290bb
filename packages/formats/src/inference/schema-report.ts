import { describeField, renderHtml, renderText, type Field } from '@millrace/core'

/** What was seen of a column, and what was made of it. */
export interface ColumnReport {
  readonly name: string
  readonly field: Field
  /** Records in which it was looked for. */
  readonly rows: number
  /** Those without a value. */
  readonly nulls: number
  /** Some of its values, as texts. */
  readonly examples: readonly string[]
  readonly evidence: string
  /** What could be otherwise, and how to say so. */
  readonly ambiguous: readonly string[]
}

/** What an inference assumed. Consoles and notebooks show its text. */
export interface SchemaReport {
  /** Records that were looked at. */
  readonly rows: number
  /** Whether these were all. */
  readonly isWhole: boolean
  readonly columns: readonly ColumnReport[]
  /** What was assumed of the files as a whole. */
  readonly notes: readonly string[]
  readonly text: string
  /** As an HTML table, values escaped: `tslab.display.html(report.html)`. */
  readonly html: string
}

const heading = ['column', 'type', 'rows', 'nulls', 'examples', 'evidence', 'ambiguous'].map((name) => [name, ''] as const)

const typeOf = (field: Field): string => {
  const { precision, scale, format, unit } = field.params
  const details = field.kind === 'decimal' ? `(${precision}, ${scale})` : format !== undefined ? ` ${format}` : unit === 'us' ? ' us' : ''
  return `${describeField(field)}${details}`
}

class Report implements SchemaReport {
  constructor(
    readonly rows: number,
    readonly isWhole: boolean,
    readonly columns: readonly ColumnReport[],
    readonly notes: readonly string[],
  ) {}

  private get title(): string {
    return `${this.isWhole ? 'all' : 'the first'} ${this.rows} rows`
  }

  private get cells(): readonly (readonly unknown[])[] {
    return this.columns.map(({ name, field, rows, nulls, examples, evidence, ambiguous }) => [name, typeOf(field), rows, nulls, examples.join(', '), evidence, ambiguous.join('; ')])
  }

  get text(): string {
    // Cells of a table are cut where they are long: what is ambiguous is to be read whole.
    const table = renderText(heading.slice(0, -1), this.cells.map((row) => row.slice(0, -1)))
    const ambiguous = this.columns.flatMap(({ name, ambiguous: words }) => words.map((word) => `${name}: ${word}`))
    return [`Inferred from ${this.title}.`, table, ...this.notes, ...ambiguous].join('\n')
  }

  get html(): string {
    return renderHtml(heading, this.cells) + renderHtml([[`Inferred from ${this.title}`, '']], this.notes.map((note) => [note]))
  }

  toString(): string {
    return this.text
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.text
  }
}

/** Makes a {@link SchemaReport}. */
export const schemaReport = (rows: number, isWhole: boolean, columns: readonly ColumnReport[], notes: readonly string[]): SchemaReport => new Report(rows, isWhole, columns, notes)
