import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, pipe, run } from '@millrace/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import { encodeLevels } from './encode-runs.js'
import { readParquet } from './read-parquet.js'
import { thriftStruct, type ThriftStruct, type ThriftValue } from './thrift-writer.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-legacy-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const repetitions = { required: 0, optional: 1, repeated: 2 } as const
const types = { int32: 1, bytes: 6 } as const

/** An element of a schema: its repetition, its name, what is more to it, its children. */
interface Node {
  readonly is: keyof typeof repetitions
  readonly name: string
  readonly type?: keyof typeof types
  readonly more?: ThriftStruct
  readonly children?: readonly Node[]
}

const LIST: ThriftStruct = [[6, { i32: 3 }]]
const decimal = (precision: number, scale: number): ThriftStruct => [[6, { i32: 5 }], [7, { i32: scale }], [8, { i32: precision }]]

const elements = ({ is, name, type, more = [], children = [] }: Node): ThriftStruct[] => {
  const fields: (readonly [number, ThriftValue])[] = [[3, { i32: repetitions[is] }], [4, { binary: name }]]
  if (type !== undefined) fields.unshift([1, { i32: types[type] }])
  if (children.length > 0) fields.push([5, { i32: children.length }])
  return [[...fields, ...more], ...children.flatMap(elements)]
}

const pathOf = ({ name, children = [] }: Node): string[] => [name, ...(children[0] === undefined ? [] : pathOf(children[0]))]
const leafOf = (node: Node): Node => (node.children?.[0] === undefined ? node : leafOf(node.children[0]))

interface Levels {
  readonly most: number
  readonly of: readonly number[]
}

/** A file of one column with one page of plain values. */
const fileOf = (node: Node, rows: number, repetition: Levels, definition: Levels, values: Uint8Array): Uint8Array => {
  const plain = Buffer.concat([encodeLevels(repetition.of, repetition.most), encodeLevels(definition.of, definition.most), values])
  const count = Math.max(repetition.of.length, definition.of.length)
  const page = Buffer.concat([thriftStruct([[1, { i32: 0 }], [2, { i32: plain.length }], [3, { i32: plain.length }], [5, { struct: [[1, { i32: count }], [2, { i32: 0 }], [3, { i32: 3 }], [4, { i32: 3 }]] }]]), plain])
  const column: ThriftStruct = [
    [1, { i32: types[leafOf(node).type!] }], [2, { list: [{ i32: 0 }, { i32: 3 }] }], [3, { list: pathOf(node).map((binary) => ({ binary })) }], [4, { i32: 0 }], [5, { i64: count }], [6, { i64: page.length }], [7, { i64: page.length }], [9, { i64: 4 }],
  ]
  const root: ThriftStruct = [[4, { binary: 'schema' }], [5, { i32: 1 }]]
  const group: ThriftStruct = [[1, { list: [{ struct: [[2, { i64: 4 }], [3, { struct: column }]] }] }], [2, { i64: page.length }], [3, { i64: rows }]]
  const footer = thriftStruct([[1, { i32: 1 }], [2, { list: [root, ...elements(node)].map((struct) => ({ struct })) }], [3, { i64: rows }], [4, { list: [{ struct: group }] }]])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([Buffer.from('PAR1'), page, footer, length, Buffer.from('PAR1')])
}

const numbers = (...values: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer)
const bytes = (...values: readonly (readonly number[])[]): Uint8Array => Uint8Array.from(values.flatMap((value) => [value.length, 0, 0, 0, ...value]))

const seen = async (name: string, file: Uint8Array, column = 'x'): Promise<unknown> => {
  const path = join(folder, name)
  writeFileSync(path, file)
  return (await run(pipe(readParquet(path), collect()))).map((row) => row[column])
}

/** Rows [1, 2], [], null, [3] of a list whose items are never null. */
const lists = { rows: 4, repetition: { most: 1, of: [0, 1, 0, 0, 0] }, definition: { most: 2, of: [2, 2, 1, 0, 2] } } as const
const due = [[1, 2], [], null, [3]]

it('lists of two layers, of old writers, are read', async () => {
  const node: Node = { is: 'optional', name: 'x', more: LIST, children: [{ is: 'repeated', name: 'array', type: 'int32' }] }
  expect(await seen('two-layers', fileOf(node, lists.rows, lists.repetition, lists.definition, numbers(1, 2, 3)))).toEqual(due)
})

it('lists of lists of two layers are read', async () => {
  const inner: Node = { is: 'repeated', name: 'array', more: LIST, children: [{ is: 'repeated', name: 'array', type: 'int32' }] }
  const node: Node = { is: 'optional', name: 'x', more: LIST, children: [inner] }
  const file = fileOf(node, 3, { most: 2, of: [0, 2, 1, 0, 0] }, { most: 3, of: [3, 3, 2, 1, 0] }, numbers(1, 2))
  expect(await seen('nested-two-layers', file)).toEqual([[[1, 2], []], [], null])
})

it('a field that is repeated without saying that it is a list is one', async () => {
  const node: Node = { is: 'repeated', name: 'x', type: 'int32' }
  expect(await seen('bare', fileOf(node, 3, { most: 1, of: [0, 1, 0, 0] }, { most: 1, of: [1, 1, 0, 1] }, numbers(1, 2, 3)))).toEqual([[1, 2], [], [3]])
})

it.each(['bag', 'list', 'element'])('lists of three layers are read whose middle one is called %s', async (name) => {
  const node: Node = { is: 'optional', name: 'x', more: LIST, children: [{ is: 'repeated', name, children: [{ is: 'required', name: 'y', type: 'int32' }] }] }
  expect(await seen(`three-${name}`, fileOf(node, lists.rows, lists.repetition, lists.definition, numbers(1, 2, 3)))).toEqual(due)
})

it.each(['array', 'x_tuple'])('items of lists whose repeated group is called %s are structs of one field', async (name) => {
  const node: Node = { is: 'optional', name: 'x', more: LIST, children: [{ is: 'repeated', name, children: [{ is: 'required', name: 'y', type: 'int32' }] }] }
  expect(await seen(name, fileOf(node, lists.rows, lists.repetition, lists.definition, numbers(1, 2, 3)), 'x.y')).toEqual(due)
})

it('groups that repeat without saying that they are lists are lists of structs, one within another', async () => {
  const node: Node = { is: 'repeated', name: 'x', children: [{ is: 'optional', name: 'y', children: [{ is: 'repeated', name: 'z', type: 'int32' }] }] }
  const file = fileOf(node, 3, { most: 2, of: [0, 2, 1, 0, 0] }, { most: 3, of: [3, 3, 1, 0, 2] }, numbers(1, 2))
  expect(await seen('bare-groups', file, 'x.y.z')).toEqual([[[1, 2], null], [], [[]]])
})

it.each([['MAP', 1, 'key_value'], ['MAP_KEY_VALUE', 2, 'map'], ['MAP without a name for its key', 1, 'entries']] as const)('maps that are annotated as %s are read, also without values', async (_, converted, name) => {
  const node: Node = { is: 'optional', name: 'x', more: [[6, { i32: converted }]], children: [{ is: 'repeated', name, children: [{ is: 'required', name: 'k', type: 'int32' }] }] }
  expect(await seen(`map-${name}`, fileOf(node, lists.rows, lists.repetition, lists.definition, numbers(1, 2, 3)), 'x.key')).toEqual(due)
})

it('what says that it is a list or a map, and is none, is a struct', async () => {
  for (const converted of [1, 3]) {
    const node: Node = { is: 'optional', name: 'x', more: [[6, { i32: converted }]], children: [{ is: 'optional', name: 'y', type: 'int32' }] }
    expect(await seen(`no-list-${converted}`, fileOf(node, 3, { most: 0, of: [] }, { most: 2, of: [2, 1, 0] }, numbers(7)), 'x.y')).toEqual([7, null, null])
  }
})

it('a schema of groups in groups without end is refused', async () => {
  const deep = (levels: number): Node => (levels === 0 ? { is: 'optional', name: 'y', type: 'int32' } : { is: 'optional', name: 'x', children: [deep(levels - 1)] })
  expect(await seen('deep', fileOf(deep(120), 2, { most: 0, of: [] }, { most: 121, of: [121, 60] }, numbers(7)), `${'x.'.repeat(120)}y`)).toEqual([7, null])
  for (const levels of [130, 2000]) {
    const error = await errorOf(seen(`too-deep-${levels}`, fileOf(deep(levels), 2, { most: 0, of: [] }, { most: 1, of: [1, 0] }, numbers(7))))
    expect(error).toMatchObject({ _tag: 'Corrupt', code: 'PARQUET_CORRUPT', problem: 'the schema cannot be decoded: its groups are nested more than 128 levels deep' })
  }
})

it('lists in lists of values that take no bytes are bounded', async () => {
  const lists = (levels: number): Node => (levels === 0 ? { is: 'optional', name: 'y', type: 'int32' } : { is: 'repeated', name: 'x', children: [lists(levels - 1)] })
  const file = (count: number): Uint8Array => fileOf(lists(100), 1, { most: 100, of: Array.from({ length: count }, (_, i) => (i === 0 ? 0 : 100)) }, { most: 101, of: new Array<number>(count).fill(100) }, numbers())
  const column = `${'x.'.repeat(100)}y`
  const nested = (await seen('some-lists', file(3), column)) as unknown[]
  expect(nested.flat(100)).toEqual([null, null, null])
  const error = await errorOf(seen('many-lists', file(2_700_000), column))
  expect(error).toMatchObject({ _tag: 'Corrupt', code: 'PARQUET_CORRUPT', problem: 'row group 0 cannot be decoded: a page has 2700000 values within 100 lists, more than is read at once' })
})

it('decimals in byte strings of any length are read', async () => {
  const node: Node = { is: 'optional', name: 'x', type: 'bytes', more: decimal(20, 2) }
  const file = fileOf(node, 4, { most: 0, of: [] }, { most: 1, of: [1, 0, 1, 1] }, bytes([125], [0xff], [0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0, 1]))
  expect(await seen('decimals', file)).toEqual(['1.25', null, '-0.01', '10000000000000000.01'])
})
