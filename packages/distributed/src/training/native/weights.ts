import { modelVariables, type FullTensor, type HostTensor, type LoweredVariable, type Session, type WeightLike } from '@millrace/export'
import type { LayersModel, Optimizer, Tensor } from '@tensorflow/tfjs'
import type { TrainingGraph } from '../../training-graph/index.js'
import type { TensorFlow } from '../model.js'

/** The model's variables by the names that the graph has for them. */
type Variables = ReadonlyMap<string, WeightLike>

/** What was left of an optimizer at the end of a training, by the names of its variables, `global_step` included. */
type OptimizerState = ReadonlyMap<string, HostTensor>

/** A model that is compiled again has another optimizer, so it begins anew. */
const states = new WeakMap<Optimizer, OptimizerState>()

/** A variable of the graph that is the optimizer's own, and what gives it a value. */
interface RestoredVariable {
  readonly value: HostTensor
  readonly fed: string
  readonly target: string
}

const ownVariables = ({ variables }: TrainingGraph, model: Variables): readonly LoweredVariable[] => variables.filter(({ weight }) => !model.has(weight.name))

/** How many steps the optimizer has made in earlier trainings. */
export const stepsBefore = ({ optimizer }: LayersModel): number => Number((states.get(optimizer)?.get('global_step')?.data as BigInt64Array | undefined)?.[0] ?? 0)

/** Carries weights between a model of TensorFlow.js and a graph, and the optimizer's state from one training to the next. */
export class NativeWeights {
  readonly #model: Variables
  readonly #restored: readonly RestoredVariable[]

  /** Adds to the graph what restores the optimizer's state: to be made before it is encoded. */
  constructor(private readonly tf: TensorFlow, private readonly layers: LayersModel, private readonly made: TrainingGraph) {
    this.#model = modelVariables(layers)
    this.#restored = this.#addRestore()
  }

  /** Gives all variables their first values. */
  async load(session: Session): Promise<void> {
    const feeds = await Promise.all(
      Object.entries(this.made.initialValues).map(async ([name, { name: fed, dtype, shape }]): Promise<readonly [string, FullTensor]> => {
        const data = (await this.#model.get(name)!.read().data()) as Float32Array
        return [fed, { dtype, shape: shape as number[], data }]
      }),
    )
    await session.run({ feeds, targets: [this.made.initialize] }, { timeoutMs: Infinity })
    if (this.#restored.length === 0) return
    await session.run({ feeds: this.#restored.map(({ fed, value }) => [fed, value] as const), targets: this.#restored.map(({ target }) => target) }, { timeoutMs: Infinity })
  }

  /** Gives the model the weights that the session has now. */
  async publish(session: Session): Promise<void> {
    const variables = this.made.variables.filter(({ weight }) => this.#model.has(weight.name))
    const values = await session.run({ fetches: variables.map(({ value }) => value) }, { timeoutMs: Infinity })
    for (const [i, { weight }] of variables.entries()) {
      const { data, shape } = values[i]!
      const tensor = this.tf.tensor(data as Float32Array, [...shape], weight.dtype as 'float32')
      ;(this.#model.get(weight.name) as unknown as { write(value: Tensor): void }).write(tensor)
      tensor.dispose()
    }
  }

  /** Remembers what the optimizer is to go on with. */
  async keepState(session: Session): Promise<void> {
    const own = ownVariables(this.made, this.#model)
    const values = await session.run({ fetches: own.map(({ value }) => value) }, { timeoutMs: Infinity })
    states.set(this.layers.optimizer, new Map(own.map(({ weight }, i) => [weight.name, values[i]!])))
  }

  #addRestore(): readonly RestoredVariable[] {
    const state = states.get(this.layers.optimizer)
    const own = ownVariables(this.made, this.#model)
    const { graph } = this.made
    // Of another model that the optimizer was used for, nothing fits.
    if (state === undefined || !own.every(({ weight }) => String(state.get(weight.name)?.shape) === String(weight.shape))) return []
    return graph.scope('restore', () =>
      own.map(({ weight, handle }): RestoredVariable => {
        const fed = graph.placeholder('value', weight.dtype, weight.shape)
        return { value: state.get(weight.name)!, fed: fed.name, target: graph.add('AssignVariableOp', [handle, fed]).name }
      }),
    )
  }
}
