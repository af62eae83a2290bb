import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { filled } from '../shape-function.js'
import { floats, indices } from './dtype-sets.js'

const drawing = {
  seed: attr.int({ default: 0 }),
  seed2: attr.int({ default: 0 }),
  dtype: attr.type({ allowed: floats }),
  T: attr.type({ allowed: indices }),
}
const signature = 'shape:T -> output:dtype'

/** Random numbers. */
export const randomOps = {
  RandomUniform: op(signature, drawing, filled, { stateful: true }),
  RandomStandardNormal: op(signature, drawing, filled, { stateful: true }),
} as const
