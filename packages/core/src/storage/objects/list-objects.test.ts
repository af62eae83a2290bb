import { describe, expect, it } from 'vitest'
import { errorOf } from '../../../../../test/support/error-of.js'
import { browseObjects, listObjects, type AskPage } from './list-objects.js'

const page = (next: string | undefined, keys: readonly string[] = []): Awaited<ReturnType<AskPage>> => ({ objects: keys.map((key) => ({ key, size: 1, version: undefined })), folders: [], next })

/** Counts the pages that are asked for, and gives each its number. */
const counting = (make: (index: number) => ReturnType<typeof page>): { readonly ask: AskPage; readonly asked: () => number } => {
  let asked = 0
  return { ask: async () => make(asked++), asked: () => asked }
}

describe('pages of a listing', () => {
  it('are followed over those without a key', async () => {
    const { ask } = counting((index) => (index === 3000 ? page(undefined, ['a.csv']) : page(`token-${index}`)))
    expect(await listObjects('s3://bucket/*.csv', ask, undefined)).toEqual([{ url: 's3://bucket/a.csv', size: 1, version: undefined }])
  })

  it('that have no key and no end are left by a typed error', async () => {
    for (const list of [listObjects, browseObjects]) {
      const { ask, asked } = counting((index) => page(`token-${index}`))
      const error = await errorOf(list('s3://bucket/*.csv', ask, undefined))
      expect([error._tag, error.code, error.position.source]).toEqual(['Storage', 'BAD_LISTING', 's3://bucket/*.csv'])
      expect(error.problem).toBe('the listing does not end: 10000 pages so far')
      expect(asked()).toBeLessThanOrEqual(10_001)
    }
  })

  it.each([1, 2, 3, 7, 100])('that go round in a circle of %i are left early, wherever it begins', async (length) => {
    for (const before of [0, 5]) {
      const { ask, asked } = counting((index) => page(`token-${index < before ? index : before + ((index - before) % length)}`, ['a.csv']))
      const error = await errorOf(listObjects('s3://bucket/*.csv', ask, undefined))
      expect(error.code).toBe('BAD_LISTING')
      expect(error.problem).toContain('the last one leads to an earlier one')
      expect(asked()).toBeLessThanOrEqual(before + 3 * length + 5)
    }
  })
})
