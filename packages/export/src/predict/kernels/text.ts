import { decodeText } from '@millrace/core'
import { integerTensor, numbersOf, smallNumbers, stringData, stringsOf, stringTensor, type HostTensor } from '../../tensor/host-tensor.js'
import { allocate } from '../../tensor/dtypes.js'
import { boolAttr, intAttr, type Node } from '../graph/graph.js'
import { checkElements, inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { takeElements } from './movement.js'

/** The only string of a tensor. */
const oneText = (node: Node, inputs: readonly HostTensor[], index: number): string => {
  const { bytes, offsets, length } = stringsOf(inputOf(node, inputs, index), node.name)
  if (length !== 1) throw opError(node, `input ${index} has ${length} strings where one is due`)
  return decodeText(bytes, offsets[0]!, offsets[1]!)
}

/**
 * RE2's pattern as JavaScript's. RE2 takes time in proportion to the text whatever the pattern; here that is so of one class of
 * characters, once or repeated, and no other is taken.
 */
const singleClass = (node: Node, pattern: string): RegExp => {
  if (!/^\[\^?(?:[^\]\\[]|\\x\{[0-9A-Fa-f]{1,6}\}|\\[^A-Za-z0-9])+\]\+?$/.test(pattern)) {
    throw opError(node, `its pattern "${pattern.slice(0, 80)}" is more than one class of characters, which only native code runs`)
  }
  try {
    return new RegExp(pattern.replace(/\\x\{/g, '\\u{'), 'gu')
  } catch {
    throw opError(node, `its pattern "${pattern.slice(0, 80)}" cannot be read`)
  }
}

const regexReplace: Kernel = (node) => {
  const all = boolAttr(node, 'replace_global', true)
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    const pattern = singleClass(node, oneText(node, inputs, 1))
    const rewrite = oneText(node, inputs, 2)
    if (rewrite.includes('\\')) throw opError(node, 'it puts parts of the text into what replaces it')
    const { offsets, bytes, length } = stringsOf(input, node.name)
    const texts = Array.from({ length }, (_, i) => {
      const text = decodeText(bytes, offsets[i]!, offsets[i + 1]!)
      if (all) return text.replace(pattern, () => rewrite)
      pattern.lastIndex = 0
      const found = pattern.exec(text)
      return found === null ? text : text.slice(0, found.index) + rewrite + text.slice(found.index + found[0].length)
    })
    return [stringTensor(input.shape, stringData(texts))]
  }
}

const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13)

/** `StringSplitV2` at white space (`core/kernels/string_split_op.cc`). */
const split: Kernel = (node) => {
  if (intAttr(node, 'maxsplit', -1) >= 0) throw opError(node, 'it has a maxsplit')
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    if (input.shape.length !== 1) throw opError(node, 'it takes a vector of texts')
    if (oneText(node, inputs, 1) !== '') throw opError(node, 'it splits at something else than white space')
    const { offsets, bytes, length } = stringsOf(input, node.name)
    const places: number[] = []
    const words: Uint8Array[] = []
    let widest = 0
    for (let row = 0; row < length; row++) {
      let column = 0
      for (let at = offsets[row]!; at < offsets[row + 1]!;) {
        while (at < offsets[row + 1]! && isSpace(bytes[at]!)) at++
        const start = at
        while (at < offsets[row + 1]! && !isSpace(bytes[at]!)) at++
        if (at === start) break
        places.push(row, column++)
        words.push(bytes.subarray(start, at))
      }
      widest = Math.max(widest, column)
    }
    return [integerTensor('int64', [words.length, 2], places), stringTensor([words.length], stringData(words)), integerTensor('int64', [2], [length, widest])]
  }
}

const sparseSlice: Kernel = (node) => (inputs) => {
  const [indices, values, shape, start, size] = [0, 1, 2, 3, 4].map((index) => inputOf(node, inputs, index)) as [HostTensor, HostTensor, HostTensor, HostTensor, HostTensor]
  const [places, whole, from, many] = [indices, shape, start, size].map((tensor) => smallNumbers(tensor, node.name)) as [number[], number[], number[], number[]]
  const rank = whole.length
  if (from.length !== rank || many.length !== rank || places.length !== (values.shape[0] ?? 0) * rank) throw opError(node, 'its indices, shape and bounds do not fit together')
  const kept: number[] = []
  const moved: number[] = []
  for (let item = 0; item < (values.shape[0] ?? 0); item++) {
    const at = Array.from({ length: rank }, (_, axis) => places[item * rank + axis]! - from[axis]!)
    if (at.some((place, axis) => place < 0 || place >= many[axis]!)) continue
    kept.push(item)
    moved.push(...at)
  }
  const out = Array.from({ length: rank }, (_, axis) => Math.max(0, Math.min(many[axis]!, whole[axis]! - from[axis]!)))
  return [integerTensor('int64', [kept.length, rank], moved), takeElements(values, Int32Array.from(kept), [kept.length]), integerTensor('int64', [rank], out)]
}

const sparseToDense: Kernel = (node) => (inputs) => {
  const [indices, outputShape, values, otherwise] = [0, 1, 2, 3].map((index) => inputOf(node, inputs, index)) as [HostTensor, HostTensor, HostTensor, HostTensor]
  const shape = Array.from(smallNumbers(outputShape, node.name))
  const places = smallNumbers(indices, node.name)
  const out = allocate(values.dtype, checkElements(node, shape))
  const data = numbersOf(values, node.name)
  out.fill(numbersOf(otherwise, node.name)[0] as never)
  const items = places.length / Math.max(1, shape.length)
  if (!Number.isInteger(items) || (data.length !== 1 && data.length !== items)) throw opError(node, `it has ${places.length} indices for ${data.length} values`)
  for (let item = 0; item < items; item++) {
    let at = 0
    for (const [axis, dim] of shape.entries()) {
      const place = places[item * shape.length + axis]!
      if (!(place >= 0 && place < dim)) throw opError(node, `the index ${place} is outside the shape [${shape.join(',')}]`)
      at = at * dim + place
    }
    out[at] = data[data.length === 1 ? 0 : item]!
  }
  return [{ dtype: values.dtype, shape, data: out }]
}

/** Texts taken apart, and the sparse matrices that come of it. */
export const textKernels: KernelTable = { RegexReplace: regexReplace, StringSplitV2: split, SparseSlice: sparseSlice, SparseToDense: sparseToDense }
