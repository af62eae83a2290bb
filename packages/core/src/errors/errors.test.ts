import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { ConversionError } from '../schema/index.js'
import { failure, fromUnknown, hasTag, isMillraceError, loadPeer, requireOneOf, throwIfAborted } from './index.js'

describe('MillraceError', () => {
  it('says what, where and what to do', () => {
    const error = failure({ tag: 'BadRecord', code: 'X', problem: 'it is wrong', remedy: 'Mend it.', position: { source: 'a.csv', line: 3, record: 2, column: 'n', byte: 40 } })
    expect(error.message).toBe('it is wrong (a.csv, line 3, record 2, column "n", byte 40). Mend it.')
    expect(error).toBeInstanceOf(Error)
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name: 'MillraceError', tag: 'BadRecord', code: 'X', message: error.message, position: error.position })
    expect(failure({ tag: 'Usage', code: 'Y', problem: 'no' }).message).toBe('no.')
  })

  it('learns its position on the way out; what is known wins', () => {
    const error = failure({ tag: 'BadRecord', code: 'X', problem: 'p', position: { column: 'inner', record: undefined }, cause: 1 }).at({ column: 'outer', record: 7, source: 's' })
    expect(error.position).toEqual({ column: 'inner', record: 7, source: 's' })
    expect(error.cause).toBe(1)
  })

  it('is known by name, across copies of the package', () => {
    const foreign = Object.assign(new Error('m'), { name: 'MillraceError', _tag: 'Limit', code: 'C' })
    expect(isMillraceError(foreign)).toBe(true)
    expect(hasTag(foreign, 'Usage', 'Limit')).toBe(true)
    expect(hasTag(foreign, 'Usage')).toBe(false)
    for (const other of [new Error('x'), null, undefined, 'MillraceError', { name: 'MillraceError', _tag: 'Limit', code: 'C' }]) expect(isMillraceError(other)).toBe(false)
  })
})

describe('fromUnknown', () => {
  it('keeps its own kind, knows the system, and wraps the rest', async () => {
    const own = failure({ tag: 'Limit', code: 'X', problem: 'p' })
    expect(fromUnknown(own)).toBe(own)
    expect(fromUnknown(own, { record: 3 }).position).toEqual({ record: 3 })
    const missing: unknown = await readFile('/no/such/file').catch((thrown: unknown) => thrown)
    expect(fromUnknown(missing)).toMatchObject({ _tag: 'NotFound', code: 'ENOENT', position: { source: '/no/such/file' } })
    expect(fromUnknown(Object.assign(new Error('full'), { code: 'ENOSPC' }))).toMatchObject({ _tag: 'Storage', code: 'ENOSPC' })
    expect(fromUnknown(new DOMException('stop', 'AbortError'))).toMatchObject({ _tag: 'Aborted' })
    expect(fromUnknown(new ConversionError('OUT_OF_RANGE', '300 is too much'), { column: 'n' })).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { column: 'n' } })
    expect(fromUnknown('text')).toMatchObject({ _tag: 'Internal', problem: 'text' })
    expect(fromUnknown(undefined)).toMatchObject({ _tag: 'Internal', problem: 'undefined' })
  })
})

describe('helpers', () => {
  it('throwIfAborted', () => {
    throwIfAborted(undefined)
    throwIfAborted(new AbortController().signal)
    expect(() => throwIfAborted(AbortSignal.abort('why'))).toThrow(expect.objectContaining({ _tag: 'Aborted', cause: 'why' }) as Error)
  })

  it('requireOneOf lists what it takes', () => {
    expect(requireOneOf('compression', 'gzip', ['none', 'gzip'])).toBe('gzip')
    const check = (value: unknown) => () => requireOneOf('compression', value as string, ['none', 'gzip'])
    expect(check('gz')).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'BAD_OPTION', message: `compression is "gz". Give one of 'none', 'gzip'.` }) as Error)
    for (const [value, shown] of [[null, 'null'], [3, '3'], [['gzip'], 'an array'], [new URL('file:///a'), 'an object of type URL'], [Object.create(null), 'an object of type Object'], [() => 1, 'a function'], [1n, 'a bigint']] as const) {
      expect(check(value)).toThrow(`compression is ${shown}. `)
    }
  })

  it('loadPeer names the install command', async () => {
    expect(await loadPeer('node:path', 'this', () => import('node:path'))).toHaveProperty('join')
    await expect(loadPeer('some-peer', 'This test', () => import(`${'some'}-peer`))).rejects.toMatchObject({
      _tag: 'MissingPeer', code: 'MISSING_PEER', message: 'This test needs the package some-peer, which is not installed. Install it: npm install some-peer',
    })
  })

  it('loadPeer tells a package that does not load from one that is not there', async () => {
    await expect(loadPeer('some-peer', 'This test', () => Promise.reject(new Error('The addon is not built.\nMore.')))).rejects.toMatchObject({
      _tag: 'MissingPeer', code: 'BROKEN_PEER', message: expect.stringContaining('some-peer, which is installed but does not load: The addon is not built. ') as string,
    })
    const others = Object.assign(new Error("Cannot find package 'its-own-dependency'"), { code: 'ERR_MODULE_NOT_FOUND' })
    await expect(loadPeer('some-peer', 'This test', () => Promise.reject(others))).rejects.toMatchObject({ code: 'BROKEN_PEER' })
  })
})
