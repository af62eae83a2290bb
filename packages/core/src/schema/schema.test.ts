import { describe, expect, it } from 'vitest'
import { nearestName } from '../errors/index.js'
import { describeField, field, listNames, requireColumn, sameField, showValue } from './index.js'

describe('fields', () => {
  it('are plain data', () => {
    const all = field.nullable(field.list(field.timestamp({ unit: 'us', format: 'yyyy' }), { size: 3 }))
    expect(JSON.parse(JSON.stringify(all))).toEqual({ kind: 'list', nullable: true, params: { size: 3, item: { kind: 'timestamp', nullable: false, params: { unit: 'us', format: 'yyyy' } } } })
    expect(describeField(all)).toBe('nullable list<timestamp>')
    expect(describeField(field.dictionary())).toBe('dictionary<utf8>')
  })

  it('are the same by kind, nullability and parameters', () => {
    expect(sameField(field.timestamp({ unit: 's', zone: 'UTC' }), { ...field.timestamp(), params: { zone: 'UTC', unit: 's', format: undefined } })).toBe(true)
    expect(sameField(field.timestamp(), field.timestamp({ unit: 's' }))).toBe(false)
    expect(sameField(field.int8(), field.nullable(field.int8()))).toBe(false)
    expect(sameField(field.list(field.int8()), field.list(field.int8()))).toBe(true)
    expect(sameField(field.list(field.int8()), field.list(field.nullable(field.int8())))).toBe(false)
    expect(sameField(field.list(field.int8()), field.list(field.int8(), { size: 2 }))).toBe(false)
  })

  it('are looked up by name, with a hint', () => {
    const schema = { origin: field.utf8(), delay: field.int32() }
    expect(requireColumn(schema, 'delay', 'this')).toBe(schema.delay)
    expect(() => requireColumn(schema, 'dealy', 'this')).toThrow('Did you mean "delay"? The columns are: origin, delay.')
    expect(() => requireColumn(schema, 'temperature', 'this')).not.toThrow('Did you mean')
    expect(() => requireColumn(schema, 'constructor', 'this')).toThrow('needs the column "constructor"')
  })
})

describe('values in messages', () => {
  it('are quoted and cut', () => {
    expect(showValue('a"b')).toBe('"a\\"b"')
    expect(showValue('x'.repeat(1000)).length).toBe(40)
    expect(showValue(new Uint8Array(9))).toBe('9 bytes')
    expect(showValue(12n)).toBe('12')
    const loop: unknown[] = []
    loop.push(loop)
    expect(showValue(loop)).toBe('[object Array]')
    expect(showValue(Object.create(null))).toBe('{}')
    expect(showValue(undefined)).toBe('undefined')
  })
})

it('messages list some of many names, and the beginning of long ones', () => {
  const names = Array.from({ length: 20_000 }, (_, i) => `column number ${i}`)
  expect(listNames(names.slice(0, 20))).toBe(names.slice(0, 20).join(', '))
  expect(listNames(names)).toBe(`${names.slice(0, 20).join(', ')} and 19980 more`)
  expect(listNames(['a', 'b'.repeat(101), 'c'.repeat(100)])).toBe(`a, ${'b'.repeat(99)}…, ${'c'.repeat(100)}`)
  const message = (schema: object, name: string): string => {
    try {
      requireColumn(schema as never, name, 'this')
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  const wide = Object.fromEntries(names.map((name) => [name, field.int32()]))
  expect(message(wide, 'zzz').length).toBeLessThan(1000)
  expect(message(wide, 'column number 1999x')).toContain('Did you mean "column number 1999')
  expect(message({ a: field.int32() }, 'n'.repeat(1e6)).length).toBeLessThan(1000)
  // Edits are not counted between names of megabytes: that would not end.
  expect(nearestName(['n'.repeat(1e6)], `${'n'.repeat(1e6)}m`)).toBeUndefined()
})
