import type { DType, WeightDescription } from '@millrace/export'

const sizes: Partial<Readonly<Record<DType, number>>> = { float64: 8, int64: 8, uint64: 8, float16: 2, bfloat16: 2, int16: 2, uint16: 2, int8: 1, uint8: 1, bool: 1 }

/** Bytes of a variable's elements. */
export const bytesOf = ({ dtype, shape }: Pick<WeightDescription, 'dtype' | 'shape'>): number => shape.reduce((product, dim) => product * dim, sizes[dtype] ?? 4)
