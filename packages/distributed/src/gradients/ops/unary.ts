import type { GradientFunction } from '../gradient-function.js'
import { ofFirst } from '../gradient-function.js'
import { scalarLike } from '../shapes.js'

/** Functions of one number each. */
export const unaryGradients = {
  Cast: ofFirst(({ graph, g, x }) => (x.dtype.includes('float') ? graph.one('Cast', [g], { DstT: x.dtype }) : undefined)),
  Neg: ofFirst(({ graph, g }) => graph.one('Neg', [g])),
  Abs: ofFirst(({ graph, g, x }) => graph.one('Mul', [g, graph.one('Sign', [x])])),
  Exp: ofFirst(({ graph, g, y }) => graph.one('Mul', [g, y])),
  Log: ofFirst(({ graph, g, x }) => graph.one('RealDiv', [g, x])),
  Log1p: ofFirst(({ graph, g, x }) => graph.one('RealDiv', [g, graph.one('AddV2', [x, scalarLike(graph, x, 1)])])),
  Reciprocal: ofFirst(({ graph, g, y }) => graph.one('Neg', [graph.one('Mul', [g, graph.one('Square', [y])])])),
  Sqrt: ofFirst(({ graph, g, y }) => graph.one('SqrtGrad', [y, g])),
  Rsqrt: ofFirst(({ graph, g, y }) => graph.one('RsqrtGrad', [y, g])),
  Square: ofFirst(({ graph, g, x }) => graph.one('Mul', [g, graph.one('Mul', [x, scalarLike(graph, x, 2)])])),
  Erf: ofFirst(({ graph, g, x }) => {
    const bell = graph.one('Exp', [graph.one('Neg', [graph.one('Square', [x])])])
    return graph.one('Mul', [g, graph.one('Mul', [bell, scalarLike(graph, x, 2 / Math.sqrt(Math.PI))])])
  }),
} satisfies Record<string, GradientFunction>
