import { expect, it } from 'vitest'
import { job } from '../job/index.js'
import { timeline } from './timeline.js'

it('runs stages in one context and adds their times up by name', async () => {
  const controller = new AbortController()
  const { stage, seconds } = timeline({ signal: controller.signal })
  expect(await stage('a', job(async ({ signal }) => signal === controller.signal))).toBe(true)
  await stage('b', job(() => new Promise((resolve) => setTimeout(resolve, 20))))
  await expect(stage('a', job(() => Promise.reject(new Error('no'))))).rejects.toThrow('no')
  expect(Object.keys(seconds())).toEqual(['a', 'b'])
  expect(seconds()['b']).toBeGreaterThan(0.015)
})
