import { expect, it } from 'vitest'
import { resolveCsvOptions } from './csv-options.js'
import { skipLines } from './skip-lines.js'

const skipped = async (pieces: readonly string[], lines: number, options: { readonly recordDelimiter?: string | readonly string[]; readonly maxRecordBytes?: number } = {}) => {
  const chunks = (async function* () {
    for (const piece of pieces) yield await Promise.resolve(Buffer.from(piece))
  })()
  const found = await skipLines({ start: 5, size: undefined, chunks, close: async () => undefined }, resolveCsvOptions({ ...options, skipLines: lines }), 'x.csv')
  let rest = ''
  for await (const chunk of found.chunks) rest += Buffer.from(chunk).toString()
  return { start: found.start, line: found.line, rest }
}

it('finds the ends of lines wherever chunks end', async () => {
  const cases: readonly (readonly [text: string, delimiters: readonly string[]])[] = [
    ['a\r\n\r\nb\rc\nd\r\n\re\n', ['\r\n', '\n', '\r']], ['a;;b;;;;c;;;d;;e', [';;']], ['a|-|b|-c|-|-|d', ['|-|']], ['\r\r\n\n\rx', ['\n', '\r\n', '\r']],
  ]
  for (const [text, recordDelimiter] of cases) {
    for (let lines = 1; lines < 8; lines++) {
      const whole = await skipped([text], lines, { recordDelimiter })
      for (let cut = 1; cut < text.length; cut++) expect(await skipped([text.slice(0, cut), text.slice(cut)], lines, { recordDelimiter }), `${text} ${lines} ${cut}`).toEqual(whole)
      expect(await skipped([...text], lines, { recordDelimiter })).toEqual(whole)
    }
  }
  expect(await skipped(['a|-|b|-', 'c|-', '|rest|-|'], 2, { recordDelimiter: '|-|' })).toEqual({ start: 16, line: 3, rest: 'rest|-|' })
})

// Looked at from its beginning with each chunk, this would be four billion bytes.
it('looks once at a line of many chunks', async () => {
  const pieces = Array<string>(4096).fill('x'.repeat(512))
  expect(await skipped([...pieces, '\ny\nz'], 2)).toEqual({ start: 5 + 2 * 2 ** 20 + 3, line: 3, rest: 'z' })
  const limit = { code: 'CSV_RECORD_TOO_LONG', position: { byte: 7, line: 2 } }
  await expect(skipped(['a\n', ...pieces], 2, { maxRecordBytes: 1000 })).rejects.toMatchObject(limit)
  expect(await skipped(['a\n', 'x'.repeat(500), `${'x'.repeat(499)}\n`, 'z'], 2, { maxRecordBytes: 1000 })).toMatchObject({ line: 3, rest: 'z' })
  await expect(skipped(['a\n', 'x'.repeat(500), `${'x'.repeat(500)}\n`, 'z'], 2, { maxRecordBytes: 1000 })).rejects.toMatchObject(limit)
}, 20_000)
