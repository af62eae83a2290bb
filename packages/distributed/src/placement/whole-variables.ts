import { failure } from '@millrace/core'
import { wholeRow, type DType, type LoweredVariable, type NumericData } from '@millrace/export'
import { bytesOf } from './variable-bytes.js'

/** A variable of the model as a whole, whatever parts it is in. */
export interface WholeVariable {
  /** `table/embeddings` */
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** What holds it: its parts in their order, or the one variable. */
  readonly parts: readonly LoweredVariable[]
}

/** Variables as wholes, in the order of their first parts. */
export const wholeVariables = (variables: readonly LoweredVariable[]): readonly WholeVariable[] => {
  const wholes = new Map<string, LoweredVariable[]>()
  for (const variable of variables) {
    const name = variable.slice?.name ?? variable.weight.name
    const known = wholes.get(name)
    if (known === undefined) wholes.set(name, [variable])
    else known.push(variable)
  }
  return [...wholes].map(([name, parts]) => {
    const { weight, slice } = parts[0] as LoweredVariable
    return { name, dtype: weight.dtype, shape: slice?.shape ?? weight.shape, parts }
  })
}

/** Default of {@link fetchableVariables}. */
const LIMIT_BYTES = 256 * 1024 ** 2

/**
 * Variables that a client may fetch whole: those that are within a limit. Larger ones stay on their parameter servers and go from
 * there into checkpoints.
 *
 * @param limitBytes - of each variable as a whole. Default 256 MiB
 */
export const fetchableVariables = (variables: readonly LoweredVariable[], limitBytes: number = LIMIT_BYTES): readonly WholeVariable[] =>
  wholeVariables(variables).filter((whole) => bytesOf(whole) <= limitBytes)

/**
 * The elements of a whole variable from those of its parts. Of a variable that is whole already, what was given.
 *
 * @param values - what was fetched of each part, in their order
 * @throws `Usage` when there are not as many elements as the parts have
 */
export const joinFetched = <A extends NumericData>({ name, shape, parts }: WholeVariable, values: readonly A[]): A => {
  const [first] = values
  const sizes = parts.map(({ weight }) => weight.shape.reduce((product, dim) => product * dim, 1))
  if (first === undefined || values.length !== parts.length || values.some((value, part) => value.length !== sizes[part])) {
    throw failure({ tag: 'Usage', code: 'PARTS_SIZE', problem: `"${name}" has parts of ${sizes.join(', ')} elements, but ${values.map(({ length }) => length).join(', ')} are given` })
  }
  if (parts.length === 1) return first
  const width = shape.slice(1).reduce((product, dim) => product * dim, 1)
  const whole = new (first.constructor as new (length: number) => A)((shape[0] as number) * width)
  parts.forEach(({ slice }, part) => {
    const value = values[part] as A
    if (slice === undefined) return
    for (let row = 0; row * width < value.length; row += 1) {
      whole.set(value.subarray(row * width, (row + 1) * width) as never, wholeRow(slice, row) * width)
    }
  })
  return whole
}
