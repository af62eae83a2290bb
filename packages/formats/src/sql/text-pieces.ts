import { fromUnknown, type Batch, type Column, type Schema } from '@millrace/core'

/** Batches as they come, or as they are. */
export type Batches = AsyncIterable<Batch> | readonly Batch[]

/** Text is handed to the connection in pieces of about this many characters. */
const PIECE = 1 << 18

/** Some rows as text. */
export interface TextPiece {
  readonly bytes: Buffer
  readonly rows: number
}

/** Rows as lines with tabs between their cells. @param cellsOf - the escaped text of a column's values */
export async function* textPieces(schema: Schema, batches: Batches, cellsOf: (column: Column) => (row: number) => string): AsyncGenerator<TextPiece, void, undefined> {
  const names = Object.keys(schema)
  let text = ''
  let rows = 0
  let before = 0
  for await (const batch of batches) {
    const cells = names.map((name) => cellsOf((batch.columns as { readonly [name: string]: Column })[name]!))
    for (let row = 0; row < batch.numRows; row++) {
      for (let i = 0; i < cells.length; i++) {
        try {
          text += (i === 0 ? '' : '\t') + cells[i]!(row)
        } catch (error) {
          throw fromUnknown(error, { record: before + row, column: names[i] })
        }
      }
      text += '\n'
      rows++
      if (text.length < PIECE) continue
      yield { bytes: Buffer.from(text), rows }
      text = ''
      rows = 0
    }
    before += batch.numRows
  }
  if (rows > 0) yield { bytes: Buffer.from(text), rows }
}
