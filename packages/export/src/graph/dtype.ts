import { failure } from '@millrace/core'

/** TensorFlow's number of every dtype that graphs of ours hold (`tensorflow/core/framework/types.proto`). */
export const dtypeNumbers = {
  float32: 1,
  float64: 2,
  int32: 3,
  uint8: 4,
  int16: 5,
  int8: 6,
  string: 7,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  uint16: 17,
  float16: 19,
  resource: 20,
  variant: 21,
  uint32: 22,
  uint64: 23,
} as const

/** Type of a tensor's elements, by TensorFlow's Python name. */
export type DType = keyof typeof dtypeNumbers

/** All dtypes, in the order of their numbers. */
export const dtypes = Object.keys(dtypeNumbers) as readonly DType[]

const byNumber = new Map<number, DType>(dtypes.map((dtype) => [dtypeNumbers[dtype], dtype]))

/** @throws `Model` for a number that is none of {@link DType} */
export const dtypeFromNumber = (number: number): DType => {
  const dtype = byNumber.get(number)
  if (dtype === undefined) {
    throw failure({ tag: 'Model', code: 'GRAPH_DTYPE', problem: `dtype number ${number} is not one that Millrace knows` })
  }
  return dtype
}
