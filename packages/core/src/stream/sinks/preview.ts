import { job, type Job } from '../../job/index.js'
import { describeField, type Row, type Schema } from '../../schema/index.js'
import { take } from '../operators/take.js'
import type { Mode, Stream } from '../stream.js'
import { renderHtml, renderText } from '../table.js'

const DEFAULT_ROWS = 10

/** The first rows of a stream, as a table for people. Consoles and notebooks show its text. */
export interface Preview<S extends Schema> {
  readonly schema: S
  readonly rows: readonly Row<S>[]
  /** The table as monospaced text. */
  readonly text: string
  /** The table as an HTML `<table>`, values escaped: `tslab.display.html(preview.html)`. */
  readonly html: string
}

class Table<S extends Schema> implements Preview<S> {
  constructor(
    readonly schema: S,
    readonly rows: readonly Row<S>[],
  ) {}

  private get heading(): readonly (readonly [string, string])[] {
    return Object.entries(this.schema).map(([name, field]) => [name, describeField(field)] as const)
  }

  private get cells(): readonly (readonly unknown[])[] {
    return this.rows.map((row) => Object.keys(this.schema).map((name) => (row as { readonly [name: string]: unknown })[name]))
  }

  get text(): string {
    return renderText(this.heading, this.cells)
  }

  get html(): string {
    return renderHtml(this.heading, this.cells)
  }

  toString(): string {
    return this.text
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.text
  }
}

/** The first `count` rows (default 10): the same as `take`, under the name that notebooks know. */
export const head = (count = DEFAULT_ROWS): (<S extends Schema, M extends Mode>(stream: Stream<S, M>) => Stream<S, M>) => take(count)

/** Reads the first `count` rows (default 10) as a table: `await run(preview(flights))`. */
export const preview = <S extends Schema>(stream: Stream<S>, count = DEFAULT_ROWS): Job<Preview<S>> =>
  job(async (context) => {
    const schema = await stream.findSchema(context)
    const found: Row<S>[] = []
    for await (const batch of take(count)(stream).open(context)) {
      for (let row = 0; row < batch.numRows; row++) found.push(batch.row(row))
    }
    return new Table(schema, found)
  })
