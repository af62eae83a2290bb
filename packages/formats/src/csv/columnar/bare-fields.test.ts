import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { field, quarantine, type Schema } from '@millrace/core'
import type { RejectedRecord } from '../../records/index.js'
import { readCsv, type CsvOptions } from '../index.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-csv-bare-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What a parser makes of a file: values, which records are bad, and why. */
interface Seen {
  readonly rows: unknown[][]
  readonly bad: RejectedRecord[]
}

const bothRead = async (text: string, schema: Schema, options: CsvOptions = {}): Promise<{ columnar: Seen; reference: Seen }> => {
  const file = join(folder, 'file.csv')
  await writeFile(file, text)
  const seenBy = async (parser: 'auto' | 'csv-parse'): Promise<Seen> => {
    const seen: Seen = { rows: [], bad: [] }
    const stream = readCsv(file, { ...options, schema, parser, onBadRecord: quarantine((record: RejectedRecord) => void seen.bad.push(record)) })
    for await (const batch of stream) for (let row = 0; row < batch.numRows; row++) seen.rows.push(Object.values(batch.row(row)))
    return seen
  }
  return { columnar: await seenBy('auto'), reference: await seenBy('csv-parse') }
}

const digits = '73920018364905127483960152738495061728394'
/** Numbers of up to 12 digits before the point and 26 after it, with zeros before them, and signs. */
const numbers = ['', '-', '+', '0', '-000', '0.000', '0.00000000', '-.'].flatMap((head) =>
  Array.from({ length: 13 }, (_, whole) => Array.from({ length: 27 }, (__, places) => `${head}${digits.slice(0, whole)}${places === 0 || head.includes('.') ? '' : '.'}${digits.slice(whole, whole + places)}`)).flat(),
)

describe('numbers and texts that fill their fields', () => {
  it('are what csv-parse and column builders make of them, of every length and wherever they stand', async () => {
    for (const number of [field.float64, field.float32, field.int64, field.int32]) {
      const texts = number().kind.startsWith('int') ? numbers.map((text) => text.replace(/\..*/, '')) : numbers
      const lines = texts.map((text, i) => `${text},${'x'.repeat(i % 67)},${text}`)
      const { columnar, reference } = await bothRead(`a,b,c\n${lines.join('\n')}\n`, { a: number(), b: field.utf8(), c: number() })
      expect(columnar).toEqual(reference)
      expect(columnar.rows.length).toBeGreaterThan(numbers.length / 10)
    }
  })

  it('may have a comma for their point', async () => {
    const lines = numbers.map((text) => `${text.replace('.', ',')};${text.replace('.', ',')}`)
    const { columnar, reference } = await bothRead(`a;b\n${lines.join('\n')}\n`, { a: field.float64(), b: field.float32() }, { delimiter: ';', decimalComma: true })
    expect(columnar).toEqual(reference)
  })

  it('end at no other byte than those of the dialect', async () => {
    const schema = { a: field.nullable(field.int32()), b: field.utf8(), c: field.nullable(field.float64()) }
    const odd = ['\0', '\x01', '\t', '\v', '\r', ' ', '"', ';', '/', ':', '-', '.', 'e', 'é']
    const lines = odd.flatMap((byte) => [`1${byte},x,2`, `${byte}1,x,2`, `1,x${byte}y,2`, `1,x,2.5${byte}`, `1,x,${byte}2.5`, `1,x,2${byte}5`, `1${byte}2,x,2`])
    for (const recordDelimiter of [['\n'], ['\r\n', '\n', '\r']]) {
      const { columnar, reference } = await bothRead(`a,b,c\n${lines.join('\n')}\n`, schema, { recordDelimiter, nullTokens: ['1', '2.5', ''] })
      expect(columnar).toEqual(reference)
    }
  })

  it('are bad when they are longer than maxFieldLength', async () => {
    const schema = { a: field.int32(), b: field.utf8(), c: field.float64() }
    const lines = Array.from({ length: 16 }, (_, i) => `${digits.slice(0, i % 9)}1,${'x'.repeat(i)},0.${digits.slice(0, i)}`)
    const { columnar, reference } = await bothRead(`a,b,c\n${lines.join('\n')}\n`, schema, { maxFieldLength: 6 })
    expect(columnar).toEqual(reference)
  })
})
