import { failure } from '@millrace/core'
import type { tensorflow} from '../proto/index.js';
import { toInt64 } from '../proto/index.js'
import { dtypeNumbers, type DType } from './dtype.js'
import { encodeShape, type Shape } from './shape.js'
import { encodeTensor, type TensorValue } from './tensor-value.js'

/** A function attribute: the function's name and the attributes that it is instantiated with. */
export interface FunctionAttr {
  readonly name: string
  readonly attrs?: Readonly<Record<string, TypedAttr>> | undefined
}

/** An attribute of a function, which has no table to look its type up in. */
export interface TypedAttr {
  readonly type: AttrType
  readonly value: AttrInput
}

/** What each type of attribute takes in TypeScript. */
export interface AttrTypes {
  type: DType
  int: number | bigint
  float: number
  bool: boolean
  string: string | Uint8Array
  shape: Shape
  tensor: TensorValue
  func: FunctionAttr
}

type Scalar = keyof AttrTypes

/** TensorFlow's names of attribute types (`op_def.proto`, AttrDef.type). */
export type AttrType = Scalar | `list(${Scalar})`

/** TypeScript's view of an attribute of a type. */
export type AttrOf<T extends AttrType> = T extends Scalar ? AttrTypes[T] : T extends `list(${infer S extends Scalar})` ? readonly AttrTypes[S][] : never

/** A value of any attribute. */
export type AttrInput = AttrOf<AttrType>

/** One attribute in the op table. */
export interface AttrDef<T extends AttrType = AttrType> {
  readonly type: T
  /** Absent where the attribute has to be given, or follows from the inputs. */
  readonly default?: AttrInput
  readonly hasDefault: boolean
  /** `type`, `list(type)`: the dtypes that may be; absent when any may. */
  readonly allowed?: readonly DType[] | undefined
  /** `int`: least value; `list(…)`: least length. */
  readonly minimum?: number | undefined
}

interface Limits {
  readonly allowed?: readonly DType[] | undefined
  readonly minimum?: number | undefined
}

const define = <T extends AttrType>(type: T) => (limits: Limits & { readonly default?: AttrOf<T> } = {}): AttrDef<T> =>
  ({ type, hasDefault: 'default' in limits, ...limits }) as AttrDef<T>

/** Writes the attributes of the op table. */
export const attr = {
  type: define('type'),
  int: define('int'),
  float: define('float'),
  bool: define('bool'),
  string: define('string'),
  shape: define('shape'),
  tensor: define('tensor'),
  func: define('func'),
  types: define('list(type)'),
  ints: define('list(int)'),
  floats: define('list(float)'),
  strings: define('list(string)'),
  shapes: define('list(shape)'),
} as const

const encoder = new TextEncoder()
const bytes = (value: string | Uint8Array): Uint8Array => (typeof value === 'string' ? encoder.encode(value) : value)
const dataType = (value: DType): tensorflow.DataType => dtypeNumbers[value] as tensorflow.DataType

type Encoders = { readonly [T in AttrType]?: (value: AttrOf<T>) => tensorflow.AttrValue.$Properties }

const encoders: Encoders = {
  type: (value) => ({ type: dataType(value) }),
  int: (value) => ({ i: toInt64(value) }),
  float: (value) => ({ f: value }),
  bool: (value) => ({ b: value }),
  string: (value) => ({ s: bytes(value) }),
  shape: (value) => ({ shape: encodeShape(value) }),
  tensor: (value) => ({ tensor: encodeTensor(value) }),
  func: (value) => ({ func: { name: value.name, attr: mapAttrs(value.attrs ?? {}) } }),
  'list(type)': (value) => ({ list: { type: value.map(dataType) } }),
  'list(int)': (value) => ({ list: { i: value.map(toInt64) } }),
  'list(float)': (value) => ({ list: { f: [...value] } }),
  'list(string)': (value) => ({ list: { s: value.map(bytes) } }),
  'list(shape)': (value) => ({ list: { shape: value.map(encodeShape) } }),
}

const mapAttrs = (attrs: Readonly<Record<string, TypedAttr>>): Record<string, tensorflow.AttrValue.$Properties> =>
  Object.fromEntries(Object.entries(attrs).map(([name, { type, value }]) => [name, encodeAttr(type, value)]))

/** An attribute as TensorFlow's message. */
export const encodeAttr = (type: AttrType, value: AttrInput): tensorflow.AttrValue.$Properties => {
  const encode = encoders[type] as ((value: AttrInput) => tensorflow.AttrValue.$Properties) | undefined
  if (encode === undefined) {
    throw failure({ tag: 'Internal', code: 'GRAPH_ATTR_TYPE', problem: `attributes of type ${type} cannot be written yet` })
  }
  return encode(value)
}

/** Whether two values of an attribute are the same, for leaving defaults out. */
export const sameAttr = (a: AttrInput, b: AttrInput): boolean =>
  a === b || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => item === b[index]))
