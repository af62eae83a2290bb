import { describe, expect, test } from 'vitest'
import { BatchLedger } from './batch-ledger.js'
import { notBegun } from './control.js'
import { servedInput } from './fed-input.js'

const ROWS = 4
const beginning = { ...notBegun, driven: false }
const anew = { first: false, count: 0, skip: 0, inDoubt: 0, again: true }

/** Of a process that has done so many batches, and sent so many more of which it does not know. */
const ledgerOf = async ({ done, lost }: { readonly done: number; readonly lost: number }): Promise<BatchLedger> => {
  const ledger = new BatchLedger(servedInput(ROWS, 1))
  await ledger.resume(beginning, { ...anew, first: true })
  await feed(ledger, done)
  for (let batch = 0; batch < lost; batch += 1) {
    const sent = (await ledger.take(1))!
    ledger.sent(sent)
    ledger.lost(sent, false)
  }
  return ledger
}

const feed = async (ledger: BatchLedger, batches: number): Promise<void> => {
  for (let batch = 0; batch < batches; batch += 1) {
    const sent = (await ledger.take(1))!
    ledger.sent(sent)
    ledger.done(sent)
  }
}

/** In batches. */
const told = ({ progress: { position, seen, repeated, uncertain, counted } }: BatchLedger) =>
  ({ position: position.rows / ROWS, seen: seen / ROWS, repeated: repeated / ROWS, uncertain: uncertain / ROWS, counted })

describe('when the chief begins again with the values that are there', () => {
  const kept = { ...anew, kept: true }

  test('batches that were done and are in no update are fed again, and counted once', async () => {
    const ledger = await ledgerOf({ done: 5, lost: 0 })
    await ledger.resume(beginning, { ...kept, skip: 4 })
    expect(told(ledger)).toEqual({ position: 4, seen: 4, repeated: 0, uncertain: 0, counted: 0 })
    await feed(ledger, 2)
    expect(told(ledger)).toEqual({ position: 6, seen: 6, repeated: 0, uncertain: 0, counted: 2 })
  })

  test('of a batch of which nobody knew it is known whether it is in an update', async () => {
    const without = await ledgerOf({ done: 5, lost: 1 })
    await without.resume(beginning, { ...kept, skip: 5 })
    expect(told(without)).toMatchObject({ position: 5, seen: 5, uncertain: 0 })
    const thrownAway = await ledgerOf({ done: 5, lost: 1 })
    await thrownAway.resume(beginning, { ...kept, skip: 4 })
    expect(told(thrownAway)).toMatchObject({ position: 4, seen: 4, uncertain: 0 })
  })

  test('one whose update was cut off is not fed again, and told', async () => {
    const ledger = await ledgerOf({ done: 5, lost: 0 })
    await ledger.resume(beginning, { ...kept, skip: 4, inDoubt: 1 })
    expect(told(ledger)).toMatchObject({ position: 5, seen: 4, uncertain: 1 })
    await feed(ledger, 1)
    expect(told(ledger)).toMatchObject({ position: 6, seen: 5, uncertain: 1 })
  })

  test('another process in this place knows what was done and what is in doubt', async () => {
    const ledger = new BatchLedger(servedInput(ROWS, 1))
    await ledger.resume({ ...beginning, seen: 2 * ROWS, uncertain: ROWS, position: { ...beginning.position, rows: 3 * ROWS } }, { ...kept, first: true, skip: 2, inDoubt: 1 })
    expect(told(ledger)).toMatchObject({ position: 6, seen: 4, uncertain: 2 })
  })
})

test('after a restore, what a checkpoint has in doubt is not fed again, and told', async () => {
  const ledger = await ledgerOf({ done: 5, lost: 0 })
  await ledger.resume(beginning, { ...anew, skip: 2, inDoubt: 1 })
  expect(told(ledger)).toMatchObject({ position: 3, seen: 5, uncertain: 1 })
  await feed(ledger, 3)
  expect(told(ledger)).toMatchObject({ position: 6, seen: 8, repeated: 2, uncertain: 1 })
})

test('a last batch that no update takes is in doubt', async () => {
  const ledger = await ledgerOf({ done: 3, lost: 0 })
  ledger.doubtLast()
  ledger.doubtLast()
  expect(told(ledger)).toMatchObject({ seen: 2, uncertain: 1 })
})
