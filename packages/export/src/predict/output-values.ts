import { bitmapBytes, boolColumn, BytesColumn, bytesColumn, decodeText, describeField, failure, field, fixedColumn, ListColumn, setBit, type Column, type Field, type Schema, type Values } from '@millrace/core'
import type { ModelSignature, ModelTensor } from '../saved-model/read-saved-model.js'
import type { DType } from '../tensor/dtypes.js'
import { numbersOf, sizeOf, stringsOf, type HostTensor } from '../tensor/host-tensor.js'
import type { PredictedTensor } from './predictor.js'

const kinds: { readonly [D in DType]?: () => Field } = {
  float32: field.float32, float64: field.float64, int8: field.int8, int16: field.int16, int32: field.int32, int64: field.int64, uint8: field.uint8,
  uint16: field.uint16, uint32: field.uint32, uint64: field.uint64, bool: field.bool, string: field.utf8,
}

const fieldOf = (name: string, info: ModelTensor): Field => {
  const make = kinds[info.dtype]
  if (make === undefined) throw failure({ tag: 'Schema', code: 'NO_COLUMN_KIND', problem: `the output "${name}" is ${info.dtype}, for which there is no kind of column`, position: { column: name } })
  const item = make()
  if (info.shape?.length === 0) throw failure({ tag: 'Schema', code: 'NOT_PER_ROW', problem: `the output "${name}" is a scalar, not a value a row`, position: { column: name } })
  const inner = info.shape?.slice(1)
  if (inner === undefined || inner.some((dim) => dim < 0)) return field.list(item)
  const width = sizeOf(inner)
  return width === 1 ? item : field.list(item, { size: width })
}

/** The columns that a signature's outputs become. */
export const outputSchema = (signature: ModelSignature): Schema =>
  Object.fromEntries(Object.entries(signature.outputs).map(([name, info]) => [name, fieldOf(name, info)]))

/** The fields that the caller gave, once they fit the signature. @throws `Schema` */
export const checkOutputs = <Out extends Schema>(wanted: Out, signature: ModelSignature): Out => {
  for (const [name, given] of Object.entries(wanted)) {
    const info = signature.outputs[name]
    if (info === undefined) {
      throw failure({ tag: 'Schema', code: 'UNKNOWN_OUTPUT', problem: `the model has no output "${name}"`, remedy: `It gives: ${Object.keys(signature.outputs).join(', ')}.`, position: { column: name } })
    }
    const own = fieldOf(name, info)
    const same = own.kind === given.kind && own.params.item?.kind === given.params.item?.kind
    // Where the model does not say how wide a row is, the caller may know that it is one value.
    const scalar = own.kind === 'list' && own.params.size === undefined && own.params.item?.kind === given.kind
    if (!same && !scalar) {
      throw failure({ tag: 'Schema', code: 'WRONG_OUTPUT', problem: `the model's output "${name}" is a column of ${describeField(own)}, not ${describeField(given)}`, position: { column: name } })
    }
  }
  return wanted
}

const flatColumn = (tensor: HostTensor, item: Field): Column => {
  if (tensor.dtype === 'string') {
    const { offsets, bytes } = stringsOf(tensor, 'an output')
    return bytesColumn(item, offsets, bytes)
  }
  const data = numbersOf(tensor, 'an output')
  if (tensor.dtype !== 'bool') return fixedColumn(item, data as Values)
  const bits = new Uint8Array(bitmapBytes(data.length))
  for (let i = 0; i < data.length; i++) if (data[i] === 1) setBit(bits, i)
  return boolColumn(item, bits, data.length)
}

/** An output as a column of one row an example. @throws `Schema` when it is not shaped so */
export const outputColumn = (name: string, tensor: HostTensor, wanted: Field, rows: number): Column => {
  const width = rows === 0 ? 0 : sizeOf(tensor.shape) / rows
  const fits = (tensor.shape[0] ?? -1) === rows && (wanted.kind === 'list' || rows === 0 || width === 1)
  if (!fits) {
    throw failure({ tag: 'Schema', code: 'WRONG_OUTPUT', problem: `the output "${name}" has the shape [${tensor.shape.join(',')}] for a batch of ${rows} rows`, position: { column: name } })
  }
  if (wanted.kind !== 'list') return flatColumn(tensor, wanted)
  return new ListColumn(wanted, Int32Array.from({ length: rows + 1 }, (_, row) => row * width), flatColumn(tensor, wanted.params.item!), undefined)
}

/** An output as callers of `predict` see it. */
export const publicTensor = (tensor: HostTensor): PredictedTensor => {
  const { dtype, shape, data } = tensor
  if (!(data instanceof BytesColumn)) return { dtype, shape, values: data }
  return { dtype, shape, values: Array.from({ length: data.length }, (_, i) => decodeText(data.bytes, data.offsets[i]!, data.offsets[i + 1]!)) }
}
