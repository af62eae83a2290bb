import { failure } from '@millrace/core'
import { statusFailure } from '@millrace/export'
import { describe, expect, test } from 'vitest'
import { allWell, faced, faultOf, isEndOfData, recovered, wasNotSent, type RecoveryState } from './recovery.js'

describe('what an error tells', () => {
  test.each([
    [14, 'failed to connect to all addresses', 'unreachable'],
    [1, 'Step was cancelled', 'unreachable'],
    [13, 'Received RST_STREAM with code 2', 'unreachable'],
    [2, 'Stream removed', 'unreachable'],
    [10, 'Device /job:ps/replica:0/task:0 current incarnation doesn\'t match with one in the group', 'restarted'],
    [10, 'The same RunGraph request was received twice. step_id: 3', 'repeated'],
    [9, 'Could not find variable dense/kernel', 'uninitialized'],
    [5, 'Resource worker/queue does not exist', 'uninitialized'],
    [4, 'the step did not end within 5 ms', 'hung'],
    [3, 'Incompatible shapes', undefined],
    [13, 'something is wrong inside', undefined],
    [5, 'FetchOutput node nothing: not found', undefined],
    [11, 'End of sequence', undefined],
    [9, 'From /job:worker/replica:0/task:0:\n/data/folder; Is a directory\n\t [[{{node next}}]]', undefined],
    [14, 'the server does not speak HTTP/2', undefined],
  ])('status %i, %s: %s', (code, message, fault) => {
    expect(faultOf(statusFailure(code, message))).toBe(fault)
  })

  test('errors of ours are no faults', () => {
    expect(faultOf(failure({ tag: 'Schema', code: 'NULL', problem: 'nulls' }))).toBeUndefined()
    expect(faultOf(new TypeError('x'))).toBeUndefined()
  })

  test('the end of the data, and a request that was not sent', () => {
    expect(isEndOfData(statusFailure(11, 'End of sequence'))).toBe(true)
    expect(isEndOfData(statusFailure(3, 'no'))).toBe(false)
  })

  test.each([
    ['connect ECONNREFUSED 127.0.0.1:1', true],
    ['connect EHOSTUNREACH 10.0.0.1:2222', true],
    ['getaddrinfo ENOTFOUND ps0.cluster', true],
    ['ECONNREFUSED', true],
    ['no connection within 20000 ms', true],
    ['read ECONNRESET', false],
    ['read EHOSTUNREACH', false],
    ['no answer on the connection within 20000 ms', false],
    ['Socket closed', false],
  ])('%s: not sent %s', (message, expected) => {
    expect(wasNotSent(statusFailure(14, message, 'grpc://ps0.cluster:2222'))).toBe(expected)
  })
})

describe('bounds', () => {
  const after = (count: number, bounds: object, state: RecoveryState = allWell) => {
    let now = 1000
    let decision: ReturnType<typeof faced>[1] | undefined
    for (let i = 0; i < count; i += 1) {
      ;[state, decision] = faced(state, now, bounds)
      if (decision.action === 'reconnect') now += decision.afterMs
    }
    return { state, decision, waited: now - 1000 }
  }

  test('waits double, up to sixteen times the first', () => {
    expect([1, 2, 3, 5, 6, 9].map((count) => after(count, { backoffMs: 10 }).decision)).toEqual(
      [10, 20, 40, 160, 160, 160].map((afterMs) => ({ action: 'reconnect', afterMs })),
    )
  })

  test('a step that is done ends the count of attempts, not that of restarts', () => {
    const { state } = after(3, { backoffMs: 10 })
    expect(state).toMatchObject({ restarts: 3, attempts: 3, downSince: 1000 })
    expect(recovered(state)).toEqual({ restarts: 3, attempts: 0, downSince: undefined })
    expect(recovered(allWell)).toBe(allWell)
  })

  test('too many restarts, or too long without a step', () => {
    expect(after(3, { maxRestarts: 2 }).decision).toEqual({ action: 'give-up', reason: 'it has lost its session more than 2 times' })
    const late = after(20, { backoffMs: 10, timeoutMs: 100 })
    expect(late.decision).toEqual({ action: 'give-up', reason: 'it has done no step for 100 ms' })
    expect(late.waited).toBe(100)
  })
})
