import { modelVariables, tensorNumbers, type CallOptions, type Graph, type LoweredVariable, type ModelLike, type Session, type Tensor } from '@millrace/export'
import { wholeVariables } from '../placement/index.js'
import { weightsNotFinite } from '../training/not-finite.js'

/** Tells whether the model's variables are numbers still. */
export interface FiniteSums {
  /** Names of variables, those of the parts of a table the same. */
  readonly names: readonly string[]
  /** float64 vectors, one for each device, in the order of the names. */
  readonly sums: readonly Tensor[]
}

const isFloat = ({ weight: { dtype } }: LoweredVariable): boolean => /float|half/.test(dtype)

/** A sum is finite when all that it is of is, but for numbers that are about to overflow anyway; it takes no memory beside the variable. */
const addSum = (graph: Graph, { handle, weight: { dtype, shape } }: LoweredVariable): Tensor => {
  const value = graph.one('ReadVariableOp', [handle], { dtype })
  const wide = dtype === 'float32' || dtype === 'float64' ? value : graph.one('Cast', [value], { DstT: 'float32' })
  return graph.one('Cast', [graph.one('Sum', [wide, graph.vector('int32', shape.map((_, axis) => axis), 'axes')])], { DstT: 'float64' })
}

/** Adds to a graph what finds weights that are NaN or infinite, where they are: one number of each goes to the client. */
export const addFiniteSums = (graph: Graph, model: ModelLike, variables: readonly LoweredVariable[]): FiniteSums => {
  const known = new Set(modelVariables(model).keys())
  const byDevice = new Map<string, (readonly [name: string, part: LoweredVariable])[]>()
  for (const { name, parts } of wholeVariables(variables)) {
    if (!known.has(name)) continue
    for (const part of parts.filter(isFloat)) byDevice.set(part.device ?? '', [...(byDevice.get(part.device ?? '') ?? []), [name, part]])
  }
  const groups = [...byDevice]
  return {
    names: groups.flatMap(([, held]) => held.map(([name]) => name)),
    sums: graph.atRoot(() => groups.map(([device, held], at) => graph.withDevice(device, () => graph.scope(`finite_${at}`, () => graph.one('Pack', [held.map(([, part]) => addSum(graph, part))]))))),
  }
}

/** @throws `Model` for weights that are no numbers any more */
export const requireFinite = async (session: Session, { names, sums }: FiniteSums, limits: CallOptions): Promise<void> => {
  if (sums.length === 0) return
  const values = await session.run({ fetches: sums.map(({ name }) => name) }, limits)
  const all = values.flatMap((value) => [...tensorNumbers(value)])
  const broken = new Set(names.filter((_, at) => !Number.isFinite(all[at])))
  if (broken.size > 0) throw weightsNotFinite([...broken])
}
