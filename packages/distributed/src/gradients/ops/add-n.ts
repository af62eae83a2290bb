import type { GradientFunction } from '../gradient-function.js'

/** The same gradient to each input. */
export const addNGradient: GradientFunction = ({ inputs, gradients }) => inputs.map(() => gradients[0])
