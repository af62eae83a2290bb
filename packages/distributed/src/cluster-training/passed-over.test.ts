import { expect, test } from 'vitest'
import { notBegun } from './control.js'
import { passedOver } from './passed-over.js'

const told = { ...notBegun, counted: -3, inDoubt: 1 }

test.each([
  ['what the chief has set', false, 'at-most-once', 1, { skip: 5, inDoubt: 1, again: true }],
  ['what the chief has set', false, 'at-most-once', 3, { skip: 1, inDoubt: 1, again: true }],
  ['what the chief has set', false, 'at-least-once', 1, { skip: 5, inDoubt: 0, again: true }],
  ['what a process that was lost has told, with that which was in doubt before it', true, 'at-most-once', 3, { skip: 5, inDoubt: 4, again: false }],
  ['what a process that was lost has told', true, 'at-least-once', 3, { skip: 1, inDoubt: 0, again: true }],
] as const)('behind %s (driven: %s), %s, %i in flight', (_, driven, delivery, inFlight, passed) => {
  expect(passedOver({ ...told, driven }, 2, { delivery, inFlight, stepsPerRun: 2 })).toEqual(passed)
})

test('nothing is behind a position that is told after the count', () => {
  expect(passedOver({ ...notBegun, counted: 4 }, 2, { delivery: 'at-most-once', inFlight: 1, stepsPerRun: 1 })).toEqual({ skip: 0, inDoubt: 0, again: true })
})
