import { expect, test } from 'vitest'
import { Graph, addVariable, type LoweredVariable } from '@millrace/export'
import { fingerprintOf, whyNotGoneOn } from './same-training.js'

const variable = (name: string, shape: readonly number[], ps = 0): LoweredVariable =>
  addVariable(new Graph(), { key: name, name, dtype: 'float32', shape, trainable: true }, `/job:ps/task:${ps}`)

test('trainings are the same when all of their variables are, and their places, and the number of workers', () => {
  const same = (): number => fingerprintOf([variable('a', [2, 3]), variable('b', [])], 2)
  expect(same()).toBe(same())
  expect(Number.isSafeInteger(same())).toBe(true)
  const others = [
    fingerprintOf([variable('a', [2, 4]), variable('b', [])], 2),
    fingerprintOf([variable('a', [2, 3], 1), variable('b', [])], 2),
    fingerprintOf([variable('a', [2, 3]), variable('c', [])], 2),
    fingerprintOf([variable('a', [2, 3])], 2),
    fingerprintOf([variable('a', [2, 3]), variable('b', [])], 3),
  ]
  expect(new Set([same(), ...others]).size).toBe(6)
})

test('a training is gone on with while somebody may wait for its chief', () => {
  const own = { resume: true, fingerprint: 7, bounds: { timeoutMs: 1_000 } }
  const found = { fingerprint: 7, alive: 50_000 }
  expect(whyNotGoneOn(found, own, 51_000)).toBeUndefined()
  // By a clock that is behind.
  expect(whyNotGoneOn(found, own, 49_000)).toBeUndefined()
  expect(whyNotGoneOn(found, own, 52_600)).toBe('its chief has shown no life for 3 s, and nobody waits for one longer than 1000 ms')
  expect(whyNotGoneOn(found, { ...own, bounds: {} }, 350_000)).toBeUndefined()
  expect(whyNotGoneOn(found, { ...own, bounds: {} }, 350_001)).toContain('no life for 300 s')
  expect(whyNotGoneOn(found, { ...own, fingerprint: 8 }, 51_000)).toContain('other variables')
  expect(whyNotGoneOn(found, { ...own, resume: false }, 51_000)).toContain('resume is false')
})
