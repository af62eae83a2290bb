import type { DType } from '../dtype.js'

/** Sets of dtypes that ops allow, as TensorFlow's registry has them (complex and quantised ones left out). */
export const indices = ['int32', 'int64'] as const satisfies readonly DType[]
export const smallIndices = ['int32', 'int16', 'int64'] as const satisfies readonly DType[]
export const floats = ['float32', 'float64', 'bfloat16', 'float16'] as const satisfies readonly DType[]
export const realNumbers = [
  'float32', 'float64', 'int32', 'uint8', 'int16', 'int8', 'int64', 'bfloat16', 'uint16', 'float16', 'uint32', 'uint64',
] as const satisfies readonly DType[]
export const signedNumbers = ['float32', 'float64', 'int32', 'int16', 'int8', 'int64', 'bfloat16', 'float16'] as const satisfies readonly DType[]
/** What a tf.Example's lists hold. */
export const exampleTypes = ['float32', 'string', 'int64'] as const satisfies readonly DType[]
