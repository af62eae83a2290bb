import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BytesColumn } from '@millrace/core'
import { nodeFromDef } from '../../../packages/export/src/predict/graph/graph.js'
import { kernels } from '../../../packages/export/src/predict/kernels/index.js'
import { tensorflow } from '../../../packages/export/src/proto/index.js'
import { elementsFromBytes, type DType } from '../../../packages/export/src/tensor/dtypes.js'
import { stringData, type HostTensor } from '../../../packages/export/src/tensor/host-tensor.js'

interface Value {
  readonly dtype: DType
  readonly shape: number[]
  /** Elements in base 64, or a list of strings in base 64. */
  readonly values: string | string[]
}
interface Case {
  readonly op: string
  readonly node: string
  readonly inputs: Value[]
  readonly outputs: Value[]
}

const { cases } = JSON.parse(readFileSync(new URL('kernels.json', import.meta.url), 'utf8')) as { cases: Case[] }
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
const tensorOf = ({ dtype, shape, values }: Value): HostTensor =>
  ({ dtype, shape, data: typeof values === 'string' ? elementsFromBytes(dtype, bytes(values)) : stringData(values.map(bytes)) })

const plain = ({ data }: HostTensor): unknown[] =>
  data instanceof BytesColumn ? data.toArray().map((value) => Buffer.from(value as Uint8Array).toString('latin1')) : Array.from(data as ArrayLike<number | bigint>)

/** Functions of floats (`Exp`, `Erfc`) may differ from TensorFlow's by a few units in the last place. */
const close = (a: unknown, b: unknown): boolean => Object.is(a, b) || a === b || (typeof a === 'number' && Math.abs(a - (b as number)) <= 3e-7 * Math.abs(b as number))
const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64'

const byOp = new Map(cases.map(({ op }) => [op, cases.filter((one) => one.op === op)]))

describe('kernels compute what TensorFlow computes', () => {
  test.each([...byOp])('%s', (op, ofOp) => {
    for (const { node, inputs, outputs } of ofOp) {
      const parsed = nodeFromDef(tensorflow.NodeDef.decode(bytes(node)))
      const results = kernels[op]!(parsed)(inputs.map(tensorOf), { files: new Map() })
      const named = JSON.stringify({ inputs: inputs.map(({ dtype, shape }) => `${dtype}[${shape}]`), attrs: parsed.attrs })
      expect(results.length).toBe(outputs.length)
      outputs.map(tensorOf).forEach((expected, i) => {
        const result = results[i]!
        expect({ named, dtype: result.dtype, shape: result.shape }).toEqual({ named, dtype: expected.dtype, shape: expected.shape })
        const [ours, theirs] = [plain(result), plain(expected)]
        if (isFloat(result.dtype) && ours.every((value, at) => close(value, theirs[at])) && ours.length === theirs.length) return
        expect({ named, values: ours }).toEqual({ named, values: theirs })
      })
    }
  })
})
