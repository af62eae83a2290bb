import { failure } from '@millrace/core'
import { decodeHalves, isHalf } from '../tensor/half.js'
import { numbersOf, stringsOf, type HostTensor } from '../tensor/host-tensor.js'

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The strings of a tensor as text; bytes that are not UTF-8 become U+FFFD. @throws `Model` when it holds numbers */
export const tensorTexts = (tensor: HostTensor): string[] => {
  const { offsets, bytes, length } = stringsOf(tensor, 'tensorTexts')
  return Array.from({ length }, (_, i) => decoder.decode(bytes.subarray(offsets[i]!, offsets[i + 1]!)))
}

/** The elements of a numeric tensor as numbers, 16-bit floats and 64-bit integers among them. @throws `Model` beyond ±2⁵³ */
export const tensorNumbers = (tensor: HostTensor): number[] => {
  const data = numbersOf(tensor, 'tensorNumbers')
  if (isHalf(tensor.dtype)) return Array.from(decodeHalves(tensor.dtype, data as Uint16Array))
  return Array.from(data as ArrayLike<number | bigint>, (value) => {
    const number = Number(value)
    if (typeof value === 'number' || Number.isSafeInteger(number)) return number
    throw failure({ tag: 'Model', code: 'OUT_OF_RANGE', problem: `${value} is too large for a number`, remedy: 'Read the BigInt64Array in data.' })
  })
}
