import { columnValues, type Batch, type ColumnMap, type ColumnValues } from '@millrace/core'
import type { DType, FullTensor } from '@millrace/export'

/** A column, and the dtype in which a graph takes it. */
export interface FedColumn {
  readonly column: string
  readonly dtype: DType
}

type Numbers = Float32Array | Int32Array | Uint8Array

const arrays: { readonly [dtype: string]: (new (length: number) => Numbers) | undefined } = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }

/** Memory that is used again and again for numbers in another dtype than their column has. */
class Conversion {
  #memory: Numbers

  constructor(private readonly make: new (length: number) => Numbers) {
    this.#memory = new make(0)
  }

  /** As TensorFlow.js casts: fractions are cut off. */
  convert(values: Float32Array | Int32Array): Numbers {
    if (this.#memory.length < values.length) this.#memory = new this.make(values.length)
    const out = this.#memory.subarray(0, values.length)
    out.set(values)
    return out
  }
}

/** Makes what is fed of the columns of a batch, scalars as `[n, 1]`. What it gives is valid until it has been called twice more. */
export type FeedMaker = (batch: Batch) => readonly FullTensor[]

/**
 * Feeds straight from columns: those of the wanted dtype are not copied, others are converted into memory that is used again: two of
 * each, since one is fed while the next one is made.
 */
export const feedMaker = (fed: readonly FedColumn[]): FeedMaker => {
  const conversions = fed.map(({ dtype }) => {
    const make = arrays[dtype]
    return make === undefined ? undefined : ([new Conversion(make), new Conversion(make)] as const)
  })
  let turn: 0 | 1 = 0
  const data = (at: number, dtype: DType, given: ColumnValues): FullTensor['data'] => {
    const { values } = given
    if (given.dtype === dtype || Array.isArray(values)) return values
    return conversions[at]?.[turn].convert(values) ?? values
  }
  return (batch) => {
    const columns = batch.columns as ColumnMap
    turn = turn === 0 ? 1 : 0
    return fed.map(({ column, dtype }, at) => {
      const given = columnValues(columns[column]!, column)
      const [rows, size = 1] = given.shape
      return { dtype, shape: [rows, size], data: data(at, dtype, given) }
    })
  }
}
