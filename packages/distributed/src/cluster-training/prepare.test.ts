import { expect, test } from 'vitest'
import { notBegun, type WorkerProgress } from './control.js'
import { noteOfStartingOver } from './prepare.js'

test('another number of workers says how many rows are read again at most', () => {
  const at = (epoch: number, rows: number): WorkerProgress => ({ ...notBegun, position: { epoch, at: null, rows } })
  expect(noteOfStartingOver([at(1, 30), at(2, 40)], [at(1, 0), at(1, 0), at(1, 0)]))
    .toBe('it is of 2 workers, and now there are 3: all begin epoch 2 again, so that at most 70 rows are read a second time')
})
