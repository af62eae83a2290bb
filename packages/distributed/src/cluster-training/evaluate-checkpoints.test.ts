import { failure } from '@millrace/core'
import { statusFailure } from '@millrace/export'
import { expect, test } from 'vitest'
import { mayBeRemoved } from './evaluate-checkpoints.js'

test.each([
  [statusFailure(5, 'model.ckpt-10.index; No such file or directory'), true],
  [statusFailure(15, 'Unable to open table file'), true],
  [failure({ tag: 'Corrupt', code: 'BAD_INDEX', problem: 'it is cut off' }), true],
  [failure({ tag: 'NotFound', code: 'NOT_FOUND', problem: 'there is no such file' }), true],
  [failure({ tag: 'Model', code: 'CHECKPOINT_MISMATCH', problem: 'it is of another model' }), false],
  [statusFailure(3, 'no'), false],
  [new TypeError('x'), false],
])('%s: another checkpoint may be readable: %s', (thrown, expected) => {
  expect(mayBeRemoved(thrown)).toBe(expected)
})
