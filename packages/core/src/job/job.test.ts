import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { describe, expect, it } from 'vitest'
import { failure } from '../errors/index.js'
import { job, run, type Job } from './index.js'

describe('jobs', () => {
  it('give their result, or reject with a MillraceError', async () => {
    expect(await run(job(async () => 5))).toBe(5)
    const failed: Job<never> = job(async () => {
      throw failure({ tag: 'Limit', code: 'X', problem: 'too much' })
    })
    await expect(run(failed)).rejects.toMatchObject({ _tag: 'Limit', code: 'X' })
    await expect(run(job(() => Promise.reject(new TypeError('oops'))))).rejects.toMatchObject({ name: 'MillraceError', _tag: 'Internal', message: 'oops.' })
    await expect(run(job(() => {
      throw new Error('before the first await')
    }))).rejects.toMatchObject({ _tag: 'Internal' })
  })

  it('are functions: a stream is none', async () => {
    for (const wrong of [{}, undefined, Promise.resolve(1)]) {
      await expect(run(wrong as unknown as Job<number>)).rejects.toMatchObject({ _tag: 'Usage', code: 'NOT_A_JOB', remedy: expect.stringContaining('A stream is read with collect(), forEach() or a writer') as string })
    }
  })

  it('are TaskEithers', async () => {
    const chained = pipe(job(async () => 5), TE.map((n) => n + 1), TE.chain((n) => job(async () => `${n}`)))
    expect(await run(chained)).toBe('6')
    expect(await job(async () => 1)()).toEqual(E.right(1))
    await expect(run(TE.left('plain'))).rejects.toBe('plain')
  })

  it('do nothing before they are run, and see what they were given', async () => {
    let ran = 0
    const signal = AbortSignal.abort()
    const work = job(async (context) => {
      ran++
      expect(context.signal).toBe(signal)
    })
    expect(ran).toBe(0)
    await run(work, { signal })
    await run(work, { signal })
    expect(ran).toBe(2)
  })
})
