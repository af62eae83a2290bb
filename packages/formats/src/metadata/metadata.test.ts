import { describe, expect, it } from 'vitest'
import { field, type MillraceError } from '@millrace/core'
import { formatMetadataSchema, parseMetadataSchema } from '../index.js'

describe('a schema.pbtxt', () => {
  it('says which features there are', () => {
    const text = `
      # as TFDV writes it
      feature { name: "age" type: INT int_domain { min: -1 max: 9223372036854775807 is_categorical: true } presence { min_fraction: 1.0 min_count: 1 } shape { dim { size: 1 } } }
      feature: < name: 'city' type: BYTES domain: "cities" value_count: { min: 1, max: 1 }; presence: { min_count: 1 } >
      feature { name: "w" "ords" type: BYTES value_count { min: 1 } presence { min_fraction: 1 } natural_language_domain {} }
      feature { name: "pixels" type: FLOAT shape { dim { size: 28 } dim { size: 28 } } presence { min_fraction: 1 } float_domain { min: -0.5f max: inf } }
      feature { name: "flag" type: INT bool_domain {} shape {} presence { min_fraction: 1.0 } }
      feature { name: "old" type: INT deprecated: true }
      feature { name: "later" type: INT lifecycle_stage: PLANNED }
      feature { name: "tree" type: STRUCT struct_domain { feature { name: "x" type: INT } } }
      feature { name: "png" type: BYTES image_domain {} }
      string_domain { name: "cities" value: ["M\\303\\274nchen", "\\x41\\u00e9\\n\\""] value: "Rom" }
      sparse_feature { name: "s" index_feature { name: "i" } value_feature { name: "v" } is_sorted: true dense_shape { dim { size: 100 } } }
      annotation { extra_metadata { [type.googleapis.com/google.protobuf.Int64Value] { value: 3 } } }
    `
    expect(parseMetadataSchema(text)).toEqual({
      schema: {
        age: field.int64(), city: field.nullable(field.utf8()), words: field.list(field.utf8()), pixels: field.list(field.float32(), { size: 784 }), flag: field.bool(), png: field.nullable(field.list(field.binary())),
      },
      domains: {
        age: { is: 'int', min: -1n, max: 9223372036854775807n, isCategorical: true }, city: { is: 'string', values: ['München', 'Aé\n"', 'Rom'] }, pixels: { is: 'float', min: -0.5, max: Infinity }, flag: { is: 'bool' },
      },
      sparse: [{ name: 's', indices: ['i'], values: 'v', shape: [100], isSorted: true }],
      notes: [
        'pixels has a shape of several dimensions, and its values come as one list.', 'old is left out: it is deprecated.', 'later is left out: its stage is PLANNED.', 'tree is left out: its type is STRUCT.',
      ],
    })
  })

  it('comes back as it was written', () => {
    const schema = {
      'a "b"\\\n\u0001ü': field.int64(), s: field.nullable(field.utf8()), l: field.list(field.float32()), n: field.nullable(field.list(field.int64())), f: field.list(field.int64(), { size: 3 }), nf: field.nullable(field.list(field.float32(), { size: 2 })), b: field.bool(),
    }
    const more = { domains: { s: { is: 'string', values: ['x', '"\n'] }, f: { is: 'int', min: -5n, max: undefined, isCategorical: false }, b: { is: 'bool' } }, sparse: [{ name: 'p', indices: ['i', 'j'], values: 'v', shape: undefined, isSorted: false }] } as const
    expect(parseMetadataSchema(formatMetadataSchema(schema, more))).toEqual({ schema, ...more, notes: [] })
    expect(() => formatMetadataSchema({ a: field.list(field.list(field.int64())) })).toThrow(expect.objectContaining({ _tag: 'Schema' }) as Error)
  })

  it('that is hostile or damaged is told', () => {
    const tagOf = (text: string): string => {
      try {
        parseMetadataSchema(text)
        return 'none'
      } catch (error) {
        return (error as MillraceError)._tag
      }
    }
    expect(tagOf('{'.repeat(10))).toBe('Corrupt')
    expect(tagOf('a{'.repeat(100_000))).toBe('Limit')
    expect(tagOf(`a: [${'{a:['.repeat(100_000)}`)).toBe('Limit')
    for (const text of ['feature', 'feature {', 'feature: "x"', 'feature { name: x }', 'feature { name: "x', 'feature { name: "\\q" }', 'feature { name: "\\U99999999" }', 'feature { name: "x" type: INT shape { dim { size: -1 } } }',
      'feature { name: "x" type: INT int_domain { min: 1e400 } }', `feature { name: "x" type: INT int_domain { min: ${'9'.repeat(1_000_000)} } }`, 'feature { name: "x" type: {} }', '\u0000', 'a: ', 'a: [1', 'a: 1 }']) expect([text.slice(0, 60), tagOf(text)]).toEqual([text.slice(0, 60), 'Corrupt'])
    expect(tagOf('feature { name: "__proto__" type: INT }')).toBe('Schema')
    expect(() => parseMetadataSchema('feature {\n  name: @\n}')).toThrow(expect.objectContaining({ position: { source: 'schema.pbtxt', line: 2 } }) as Error)
  })

  it('that is cut or changed anywhere is read or told, never worse', () => {
    const text = formatMetadataSchema({ a: field.int64(), b: field.nullable(field.list(field.utf8())), c: field.list(field.float32(), { size: 3 }) }, { domains: { b: { is: 'string', values: ['ü\n', "'"] } } })
    const letters = '{}<>[]:;,"\'\\#\n\u0000 x9-.'
    for (let at = 0; at < text.length; at++) {
      for (const changed of [text.slice(0, at), ...[...letters].map((letter) => text.slice(0, at) + letter + text.slice(at + 1))]) {
        try {
          parseMetadataSchema(changed)
        } catch (error) {
          expect((error as MillraceError)._tag).toMatch(/^(Corrupt|Limit|Schema)$/)
        }
      }
    }
  })
})
