import { decodeText, failure } from '@millrace/core'
import { allocate, type DType } from '../../tensor/dtypes.js'
import { numericTensor, stringColumn, stringData, stringTensor, type HostTensor, type StringData } from '../../tensor/host-tensor.js'

/** Attributes of `InitializeTableFromTextFileV2`. */
export interface TextFileColumns {
  /** Column of the keys; -2 is the whole line, -1 the line's number. */
  readonly keyIndex: number
  readonly valueIndex: number
  /** One byte. */
  readonly delimiter: string
  /** Number of lines that count; -1 for all. */
  readonly vocabSize: number
  /** Added to line numbers. */
  readonly offset: number
}

const bad = (file: string, line: number, problem: string): Error =>
  failure({ tag: 'Model', code: 'VOCABULARY_FILE', problem, position: { source: file, line: line + 1 } })

/**
 * Lines as byte ranges. As TensorFlow reads them (`io::InputBuffer::ReadLine`): ended by `\n`, one `\r` before it dropped, a
 * last line without an end counts unless it is empty.
 */
export const splitLines = (bytes: Uint8Array, limit: number): StringData => {
  const ends: number[] = []
  let kept = 0
  const out = new Uint8Array(bytes.length)
  for (let start = 0; start < bytes.length && (limit < 0 || ends.length < limit);) {
    const found = bytes.indexOf(10, start)
    const next = found < 0 ? bytes.length : found
    const end = next > start && bytes[next - 1] === 13 ? next - 1 : next
    if (found >= 0 || end > start) {
      out.set(bytes.subarray(start, end), kept)
      kept += end - start
      ends.push(kept)
    }
    start = next + 1
  }
  return stringColumn(Int32Array.from([0, ...ends]), out.subarray(0, kept))
}

/** One column of the lines as a tensor of `dtype`. */
const columnOf = (lines: StringData, index: number, dtype: DType, columns: TextFileColumns, file: string): HostTensor => {
  const { length } = lines
  if (index === -1) {
    if (dtype !== 'int64' && dtype !== 'int32') throw bad(file, 0, `line numbers are int64, the table holds ${dtype}`)
    const data = allocate(dtype, length)
    for (let i = 0; i < length; i++) data[i] = dtype === 'int64' ? BigInt(i + columns.offset) : i + columns.offset
    return numericTensor(dtype, [length], data)
  }
  if (index === -2) {
    if (dtype !== 'string') throw bad(file, 0, `whole lines are strings, the table holds ${dtype}`)
    return stringTensor([length], lines)
  }
  const text = (line: number): string => {
    const parts = decodeText(lines.bytes, lines.offsets[line]!, lines.offsets[line + 1]!).split(columns.delimiter)
    const part = parts[index]
    if (part === undefined) throw bad(file, line, `the line has ${parts.length} columns, and column ${index} is wanted`)
    return part
  }
  const texts = Array.from({ length }, (_, line) => text(line))
  if (dtype === 'string') return stringTensor([length], stringData(texts))
  const data = allocate(dtype, length)
  const integer = dtype === 'int64' || dtype === 'int32'
  texts.forEach((value, line) => {
    const trimmed = value.trim()
    if (trimmed === '' || !(integer ? /^[+-]?\d+$/.test(trimmed) : Number.isFinite(Number(trimmed)))) throw bad(file, line, `"${value.slice(0, 40)}" is not a ${dtype}`)
    data[line] = dtype === 'int64' ? BigInt(trimmed) : Number(trimmed)
  })
  return numericTensor(dtype, [length], data)
}

/** Keys and values of a table's text file (`core/kernels/lookup_util.cc`). @throws `Model` that names file and line */
export const readTextFile = (bytes: Uint8Array, file: string, keyDtype: DType, valueDtype: DType, columns: TextFileColumns): { readonly keys: HostTensor; readonly values: HostTensor } => {
  const lines = splitLines(bytes, columns.vocabSize)
  if (columns.vocabSize >= 0 && lines.length < columns.vocabSize) {
    throw failure({ tag: 'Model', code: 'VOCABULARY_FILE', problem: `the file has ${lines.length} lines, and the graph wants ${columns.vocabSize}`, position: { source: file } })
  }
  return { keys: columnOf(lines, columns.keyIndex, keyDtype, columns, file), values: columnOf(lines, columns.valueIndex, valueDtype, columns, file) }
}
