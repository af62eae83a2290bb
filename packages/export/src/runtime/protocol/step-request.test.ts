import { describe, expect, test } from 'vitest'
import { fromInt64, tensorflow } from '../../proto/index.js'
import { decodeTensorProto } from '../../tensor/decode-tensor-proto.js'
import { stringData, type HostTensor } from '../../tensor/host-tensor.js'
import { masterMessages } from './master-messages.js'

const { encode } = masterMessages

const tensors: readonly (readonly [string, HostTensor])[] = [
  ['scalar:0', { dtype: 'float32', shape: [], data: Float32Array.of(1.5) }],
  ['empty:0', { dtype: 'int32', shape: [0, 3], data: new Int32Array(0) }],
  ['part/of:1', { dtype: 'int64', shape: [2, 1], data: new BigInt64Array([9n, 1n, -2n, 9n]).subarray(1, 3) }],
  ['long:0', { dtype: 'uint8', shape: [100_000], data: new Uint8Array(100_000).fill(7) }],
  ['half:0', { dtype: 'bfloat16', shape: [1, 1], data: Uint16Array.of(0x3f80) }],
  ['text:0', { dtype: 'string', shape: [2], data: stringData(['', 'é'.repeat(200)]) }],
]

describe('requests of steps, as protobuf reads them', () => {
  test('RunStep', () => {
    const prefix = encode.runStepPrefix('handle', ['y:0'], ['train'], 1500.5)
    const ids = new Set<bigint>()
    for (const feeds of [new Map(tensors), new Map<string, HostTensor>()]) {
      const request = tensorflow.RunStepRequest.decode(encode.runStep(prefix, feeds))
      expect(request).toMatchObject({ sessionHandle: 'handle', fetch: ['y:0'], target: ['train'], storeErrorsInResponseBody: true })
      expect(fromInt64(request.options?.timeoutInMs)).toBe(1501n)
      expect((request.feed ?? []).map(({ name, tensor }) => [name, decodeTensorProto(tensor!, name!)])).toEqual([...feeds])
      ids.add(fromInt64(request.requestId))
    }
    expect(ids.size).toBe(2)
    expect([...ids].every((id) => id > 0n)).toBe(true)
    expect(tensorflow.RunStepRequest.decode(encode.runStepPrefix('handle', [], ['t'], Infinity)).options ?? undefined).toBeUndefined()
  })

  test('RunCallable', () => {
    const request = tensorflow.RunCallableRequest.decode(encode.runCallable(encode.runCallablePrefix('handle', 2n ** 40n), tensors.map(([, tensor]) => tensor)))
    expect(request.sessionHandle).toBe('handle')
    expect(fromInt64(request.handle)).toBe(2n ** 40n)
    expect((request.feed ?? []).map((tensor) => decodeTensorProto(tensor, ''))).toEqual(tensors.map(([, tensor]) => tensor))
    expect(fromInt64(request.requestId)).toBeGreaterThan(0n)
  })
})
