import { failure } from '@millrace/core'
import { dtypes, type DType, type Shape, type TensorData, type TensorValue } from '../graph/index.js'
import type { LayerLike, ModelLike, SymbolicTensorLike, WeightLike } from './model-like.js'

/** A model as plain data: its layers, their configuration, and how they are called. */
export interface ModelDescription {
  readonly name: string
  readonly inputs: readonly ModelPort[]
  readonly outputs: readonly ModelPort[]
  /** Each layer once, however often it is called. */
  readonly layers: readonly LayerDescription[]
  /** In an order in which they can run. */
  readonly calls: readonly LayerCall[]
}

/** An input or output of a model. */
export interface ModelPort {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
  /** The value that it is; values are numbered through the model. */
  readonly value: number
}

/** One call of a layer. */
export interface LayerCall {
  /** Index into the model's layers. */
  readonly layer: number
  /** Values that it takes. */
  readonly inputs: readonly number[]
  /** Values that it makes. */
  readonly outputs: readonly number[]
}

/** One layer: its class and configuration as Keras has them, and its variables. */
export interface LayerDescription {
  readonly name: string
  /** `Dense`, `BatchNormalization`, … */
  readonly className: string
  readonly config: Readonly<Record<string, unknown>>
  readonly weights: readonly WeightDescription[]
}

/** One variable of a layer. */
export interface WeightDescription {
  /** What the layer calls it: `kernel`, `moving_mean`. */
  readonly key: string
  /** Unique in the model: `dense_1/kernel`. */
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly trainable: boolean
  /** Absent in a description without values. */
  readonly value?: TensorValue | undefined
  /** What makes its first value in TensorFlow; there only where the model itself has none: see `withoutWeights`. */
  readonly initializer?: InitializerDescription | undefined
}

/** An initializer as its class and configuration: `VarianceScaling`, `{ scale: 1, mode: 'fanAvg', distribution: 'uniform' }`. */
export interface InitializerDescription {
  readonly className: string
  readonly config: Readonly<Record<string, unknown>>
}

const toDType = (dtype: string, of: string): DType => {
  if ((dtypes as readonly string[]).includes(dtype)) return dtype as DType
  throw failure({ tag: 'Model', code: 'MODEL_DTYPE', problem: `${of} is of dtype ${dtype}, which cannot be exported` })
}

/** A model inside a model is a layer, too. */
const asModel = (layer: LayerLike): ModelLike | undefined =>
  'inputs' in layer && 'outputs' in layer && 'layers' in layer ? (layer as unknown as ModelLike) : undefined

const uniqueName = (name: string, taken: Set<string>): string => {
  let unique = name
  for (let count = 1; taken.has(unique); count += 1) unique = `${name}_${count}`
  taken.add(unique)
  return unique
}

/** Inputs and outputs have the names of their layers, as Keras has it; a sequential model has no list of them before it runs. */
const ports = (tensors: readonly SymbolicTensorLike[], values: readonly number[]): ModelPort[] => {
  const taken = new Set<string>()
  return tensors.map((tensor, index) => {
    const name = uniqueName(tensor.sourceLayer.name, taken)
    return { name, dtype: toDType(tensor.dtype, `"${name}"`), shape: tensor.shape, value: values[index] as number }
  })
}

interface Walk {
  readonly description: ModelDescription
  /** The live variables of each layer, in the order of the description. */
  readonly weights: readonly (readonly WeightLike[])[]
}

const walkModel = (model: ModelLike): Walk => {
  const layers: LayerDescription[] = []
  const weights: (readonly WeightLike[])[] = []
  const calls: LayerCall[] = []
  const indices = new Map<LayerLike, number>()
  const weightNames = new Set<string>()
  let values = 0
  const newValue = (): number => {
    values += 1
    return values - 1
  }

  const describeLayer = (layer: LayerLike): number => {
    const known = indices.get(layer)
    if (known !== undefined) return known
    const config = layer.getConfig() as Readonly<Record<string, unknown>>
    const described = layer.weights.map((weight) => ({
      key: weight.originalName.split('/').at(-1) as string,
      name: uniqueName(weight.originalName, weightNames),
      dtype: toDType(weight.dtype, `the variable ${weight.originalName}`),
      shape: weight.shape.map((dim) => dim ?? 0),
      // A layer that is frozen leaves its variables as they are: what it says goes for all of them.
      trainable: weight.trainable && config['trainable'] !== false,
      ...(weight.pending === undefined ? {} : { initializer: weight.pending }),
    }))
    layers.push({ name: layer.name, className: layer.getClassName(), config, weights: described })
    weights.push(layer.weights)
    indices.set(layer, layers.length - 1)
    return layers.length - 1
  }

  /** Follows a model back from its outputs, given the values of its inputs. */
  const walk = (container: ModelLike, inputs: readonly number[]): number[] => {
    const known = new Map<number, number>(container.inputs.map((tensor, index) => [tensor.id, inputs[index] as number]))
    const valueOf = (tensor: SymbolicTensorLike): number => {
      const value = known.get(tensor.id)
      if (value !== undefined) return value
      const layer = tensor.sourceLayer
      const call = layer.inboundNodes[tensor.nodeIndex]
      if (call === undefined || call.inputTensors.length === 0) {
        throw failure({ tag: 'Model', code: 'MODEL_TOPOLOGY', problem: `"${tensor.name}" of layer "${layer.name}" is not an input of the model` })
      }
      const taken = call.inputTensors.map(valueOf)
      const inner = asModel(layer)
      const made = inner === undefined ? call.outputTensors.map(newValue) : walk(inner, taken)
      if (inner === undefined) calls.push({ layer: describeLayer(layer), inputs: taken, outputs: made })
      call.outputTensors.forEach((output, index) => known.set(output.id, made[index] as number))
      return known.get(tensor.id) as number
    }
    return container.outputs.map(valueOf)
  }

  const inputs = model.inputs.map(newValue)
  const outputs = walk(model, inputs)
  return {
    description: {
      name: model.name,
      inputs: ports(model.inputs, inputs),
      outputs: ports(model.outputs, outputs),
      layers,
      calls,
    },
    weights,
  }
}

/**
 * A model's topology and configuration as plain data, without the values of its variables. Models inside the model are taken
 * apart; a layer that is called twice stays one layer.
 *
 * @throws `Usage` when the model has not been built; `Model` when it cannot be described
 */
export const describeModel = (model: ModelLike): ModelDescription => {
  requireBuilt(model)
  return walkModel(model).description
}

/** The live variables of a model, by the names that {@link describeModel} gives them. @throws as {@link describeModel} */
export const modelVariables = (model: ModelLike): ReadonlyMap<string, WeightLike> => {
  requireBuilt(model)
  const { description, weights } = walkModel(model)
  return new Map(description.layers.flatMap((layer, index) => layer.weights.map(({ name }, at) => [name, weights[index]?.[at] as WeightLike] as const)))
}

const requireBuilt = (model: ModelLike): void => {
  if (!Array.isArray(model.inputs) || model.inputs.length === 0 || !Array.isArray(model.outputs) || model.outputs.length === 0) {
    throw failure({
      tag: 'Usage',
      code: 'MODEL_NOT_BUILT',
      problem: `the model "${model.name}" has no inputs or outputs yet`,
      remedy: 'Give its first layer an inputShape, or call build().',
    })
  }
}

/**
 * A model with the values that its variables have now. Variables that have none yet are left without.
 *
 * @throws as {@link describeModel}; `Model` when the model was disposed of
 */
export const readModel = async (model: ModelLike): Promise<ModelDescription> => {
  requireBuilt(model)
  const { description, weights } = walkModel(model)
  const layers = await Promise.all(
    description.layers.map(async (layer, index) => ({
      ...layer,
      weights: await Promise.all(
        layer.weights.map(async (weight, at) => {
          if (weight.initializer !== undefined) return weight
          return { ...weight, value: { dtype: weight.dtype, shape: weight.shape, data: await readValue(weights[index]?.[at] as WeightLike) } }
        }),
      ),
    })),
  )
  return { ...description, layers }
}

const readValue = async (weight: WeightLike): Promise<TensorData> => {
  try {
    return await weight.read().data()
  } catch (cause) {
    throw failure({ tag: 'Model', code: 'MODEL_VARIABLE', problem: `the variable ${weight.originalName} cannot be read`, remedy: 'Export the model before it is disposed of.', cause })
  }
}
