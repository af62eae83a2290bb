import { expect, test } from 'vitest'
import { bytesColumn, field } from '@millrace/core'
import type { HostTensor } from '@millrace/export'
import { decodePositions, encodePositions, type InputPosition } from './positions.js'

/** String values as a fetch gives them. */
const texts = (...values: (string | Uint8Array)[]): HostTensor => {
  const items = values.map((value) => Buffer.from(value as string))
  const offsets = Int32Array.from([0, ...items.map((_, at) => items.slice(0, at + 1).reduce((sum, { length }) => sum + length, 0))])
  return { dtype: 'string', shape: [values.length / 3, 3], data: bytesColumn(field.binary(), offsets, Buffer.concat(items)) }
}
const asFetched = (positions: readonly InputPosition[]): HostTensor => texts(...(encodePositions(positions).data as (string | Uint8Array)[]))

test('positions come back as they were', () => {
  const positions: InputPosition[] = [
    { name: 'worker_0', step: 12, stream: { file: 'Zürich', record: 3, nested: [null, true] } },
    { name: 'worker_1', step: 0, iterator: Uint8Array.of(0, 255, 7) },
    { name: 'chief', step: 2 ** 40, iterator: new Uint8Array() },
    { name: 'evaluator', step: 1, stream: null },
  ]
  expect(decodePositions(asFetched(positions))).toEqual(positions)
  expect(decodePositions(asFetched([]))).toEqual([])
})

test('what JSON cannot hold is refused', () => {
  expect(() => encodePositions([{ name: 'w', step: 1, stream: 1n }])).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'POSITION_JSON' }) as Error)
})

test('what is no position is refused', () => {
  const bad = [texts('w', 'no JSON', ''), texts('w', '7', ''), texts('w', '{}', ''), texts('w', '{"step":"1"}', ''), { dtype: 'string', shape: [3], data: texts('w', '{"step":1}', '').data }, { dtype: 'float32', shape: [1, 3], data: new Float32Array(3) }] as const
  for (const tensor of bad) expect(() => decodePositions(tensor)).toThrow(expect.objectContaining({ _tag: 'Corrupt', code: 'CHECKPOINT_POSITIONS' }) as Error)
})
