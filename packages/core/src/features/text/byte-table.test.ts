import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteTable } from './byte-table.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('ByteTable', () => {
  it('numbers distinct strings as a Map does', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string({ unit: 'binary', maxLength: 4 }), fc.constantFrom('', 'a', 'b', 'ab'))), (texts) => {
        const table = new ByteTable()
        const map = new Map<string, number>()
        for (const text of texts) {
          const bytes = bytesOf(`xx${text}yyy`)
          const expected = map.get(text) ?? map.size
          map.set(text, expected)
          expect(table.find(bytes, 2, bytes.length - 3)).toBe(expected === table.size ? -1 : expected)
          expect(table.add(bytes, 2, bytes.length - 3)).toBe(expected)
        }
        expect(table.size).toBe(map.size)
        for (const [text, entry] of map) expect(table.bytesOf(entry)).toEqual(bytesOf(text))
      }),
    )
  })

  it('keeps its entries as it grows', () => {
    const table = new ByteTable()
    for (let i = 0; i < 20_000; i++) table.add(bytesOf(`token ${i}`), 0, `token ${i}`.length)
    for (let i = 0; i < 20_000; i += 7) expect(table.find(bytesOf(`token ${i}`), 0, `token ${i}`.length)).toBe(i)
    expect(table.find(bytesOf('token'), 0, 5)).toBe(-1)
  })

  it('orders entries by their bytes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'binary', maxLength: 6 })), (texts) => {
        const table = new ByteTable()
        const entries = texts.map((text) => table.add(bytesOf(text), 0, bytesOf(text).length))
        const sorted = entries.sort((a, b) => table.compare(a, b)).map((entry) => Buffer.from(table.bytesOf(entry)))
        expect(sorted).toEqual([...sorted].sort(Buffer.compare))
      }),
    )
  })
})
