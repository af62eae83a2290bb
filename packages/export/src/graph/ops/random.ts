import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { filled } from '../shape-function.js'
import { floats, indices } from './dtype-sets.js'

/** Random numbers. */
export const randomOps = {
  RandomUniform: op(
    'shape:T -> output:dtype',
    {
      seed: attr.int({ default: 0 }),
      seed2: attr.int({ default: 0 }),
      dtype: attr.type({ allowed: floats }),
      T: attr.type({ allowed: indices }),
    },
    filled,
    { stateful: true },
  ),
} as const
