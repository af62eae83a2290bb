import { derivedSchema, extendBatch, failure, job, throwIfAborted, transformBatches, type Batch, type Job, type Mode, type Schema, type Stream } from '@millrace/core'
import type { ModelSignature } from '../saved-model/read-saved-model.js'
import type { DType, NumericData } from '../tensor/dtypes.js'
import type { HostTensor } from '../tensor/host-tensor.js'
import { describeInputs, inputTensor, type InputValues } from './input-values.js'
import { checkOutputs, outputColumn, outputSchema, publicTensor } from './output-values.js'

/** One output of a prediction. */
export interface PredictedTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Row-major; `bool` as bytes 0 and 1, strings as texts. */
  readonly values: NumericData | readonly string[]
}

/** Outputs by their names in the signature. */
export type Prediction = { readonly [output: string]: PredictedTensor }

/**
 * What a prediction is made of: a batch, whose columns are found by the names of the signature's inputs (others are let be);
 * values by name; or, for a signature with a single input of strings, the values themselves (serialized tf.train.Examples).
 */
export type PredictorInput = Batch | { readonly [input: string]: InputValues } | readonly Uint8Array[] | readonly string[]

/** What runs a loaded model. */
export type PredictorRuntime =
  | { readonly kind: 'javascript'; /** Backend of TensorFlow.js; absent where no part of the graph needs it. */ readonly backend: string | undefined; readonly nodes: { readonly own: number; readonly numeric: number } }
  | { readonly kind: 'native'; /** The package that runs it. */ readonly library: string }

/** Options of {@link Predictor.predict}. */
export interface PredictOptions {
  /** Default `serving_default`, or the only signature there is. */
  readonly signature?: string | undefined
}

/** Options of {@link Predictor.apply}. */
export interface ApplyOptions<Out extends Schema> extends PredictOptions {
  /**
   * Fields of the columns to add, named as the signature's outputs: gives them types. Default: all outputs, as the signature
   * describes them (scalars for `[?]` and `[?,1]`, else lists).
   */
  readonly outputs?: Out | undefined
}

/** A model that answers in this process. */
export interface Predictor {
  readonly runtime: PredictorRuntime
  /** What the model takes and gives, by signature. */
  readonly signatures: { readonly [name: string]: ModelSignature }
  /**
   * Answers one batch.
   *
   * @throws `Schema` for an input that is missing or has the wrong type or shape; `Model` when the graph cannot be computed for it
   */
  predict(input: PredictorInput, options?: PredictOptions): Job<Prediction>
  /** An operator that adds the predictions to each batch of a stream, as columns named as the signature's outputs. */
  apply<Out extends Schema = Schema>(options?: ApplyOptions<Out>): <S extends Schema, M extends Mode>(stream: Stream<S, M>) => Stream<S & Out, M>
  /** Frees the tensors that the model holds. */
  dispose(): void
}

/** Runs a signature on tensors in memory. */
export interface Runner {
  readonly runtime: PredictorRuntime
  run(signature: string, feeds: ReadonlyMap<string, HostTensor>, signal?: AbortSignal): Promise<ReadonlyMap<string, HostTensor>>
  dispose(): void
}

const isBatch = (input: PredictorInput): input is Batch => 'schema' in input && 'columns' in input && 'numRows' in input

const serving = 'serving_default'

class RunningPredictor implements Predictor {
  private disposed = false

  constructor(private readonly runner: Runner, readonly signatures: { readonly [name: string]: ModelSignature }) {}

  get runtime(): PredictorRuntime {
    return this.runner.runtime
  }

  predict(input: PredictorInput, options: PredictOptions = {}): Job<Prediction> {
    return job(async ({ signal }) => {
      const name = this.signatureName(options.signature)
      const outputs = await this.run(name, this.feeds(name, input), signal)
      return Object.fromEntries([...outputs].map(([output, tensor]) => [output, publicTensor(tensor)]))
    })
  }

  apply<Out extends Schema = Schema>(options: ApplyOptions<Out> = {}): <S extends Schema, M extends Mode>(stream: Stream<S, M>) => Stream<S & Out, M> {
    const name = this.signatureName(options.signature)
    const signature = this.signatures[name]!
    const added = options.outputs === undefined ? outputSchema(signature) : checkOutputs(options.outputs, signature)
    return <S extends Schema, M extends Mode>(stream: Stream<S, M>) => {
      const extended = (): S & Out => {
        const taken = Object.keys(added).find((output) => Object.hasOwn(stream.schema, output))
        if (taken === undefined) return { ...stream.schema, ...added } as unknown as S & Out
        throw failure({ tag: 'Schema', code: 'COLUMN_EXISTS', problem: `the model's output "${taken}" has the name of a column that the stream has already`, remedy: 'rename() the column first.', position: { column: taken } })
      }
      return transformBatches<S, S & Out, M>(stream, {
        operator: 'predict',
        options: { signature: name, outputs: Object.keys(added) },
        schema: derivedSchema([stream], extended),
        needs: (wanted) => (wanted === undefined ? undefined : [...new Set([...wanted.filter((column) => !(column in added)), ...Object.keys(signature.inputs)])]),
        transform: async (batch, { signal }) => {
          const outputs = await this.run(name, this.feeds(name, batch as unknown as Batch), signal)
          const columns = Object.fromEntries(Object.entries(added).map(([output, field]) => [output, outputColumn(output, outputs.get(output)!, field, batch.numRows)]))
          return extendBatch(batch, added as Out, columns)
        },
      })
    }
  }

  dispose(): void {
    if (!this.disposed) this.runner.dispose()
    this.disposed = true
  }

  private run(name: string, feeds: ReadonlyMap<string, HostTensor>, signal: AbortSignal | undefined): Promise<ReadonlyMap<string, HostTensor>> {
    throwIfAborted(signal)
    if (this.disposed) throw failure({ tag: 'Usage', code: 'DISPOSED', problem: 'the predictor was disposed of', remedy: 'Load the model again.' })
    return this.runner.run(name, feeds, signal)
  }

  private signatureName(wanted: string | undefined): string {
    const names = Object.keys(this.signatures)
    const name = wanted ?? (names.includes(serving) || names.length !== 1 ? serving : names[0]!)
    if (names.includes(name)) return name
    throw failure({ tag: 'Usage', code: 'NO_SUCH_SIGNATURE', problem: `the model has no signature ${name}`, remedy: `It has: ${names.join(', ')}.` })
  }

  private feeds(name: string, input: PredictorInput): ReadonlyMap<string, HostTensor> {
    const signature = this.signatures[name]!
    const given = this.valuesByName(name, input)
    const feeds = new Map<string, HostTensor>()
    const unknown = isBatch(input) ? undefined : Object.keys(given).find((key) => !Object.hasOwn(signature.inputs, key))
    if (unknown !== undefined) {
      throw failure({ tag: 'Schema', code: 'UNKNOWN_INPUT', problem: `the signature ${name} has no input "${unknown}"`, remedy: `It takes: ${describeInputs(signature)}.`, position: { column: unknown } })
    }
    for (const [key, info] of Object.entries(signature.inputs)) {
      if (!Object.hasOwn(given, key) || given[key] === undefined) {
        throw failure({ tag: 'Schema', code: 'MISSING_INPUT', problem: `the signature ${name} needs the input "${key}", which is not given`, remedy: `It takes: ${describeInputs(signature)}.`, position: { column: key } })
      }
      feeds.set(key, inputTensor(key, given[key], info))
    }
    this.checkRows(signature, feeds)
    return feeds
  }

  private valuesByName(name: string, input: PredictorInput): { readonly [input: string]: InputValues } {
    if (isBatch(input)) return input.columns as { readonly [input: string]: InputValues }
    if (!Array.isArray(input)) return input as { readonly [input: string]: InputValues }
    const signature = this.signatures[name]!
    const names = Object.keys(signature.inputs)
    if (names.length === 1) return { [names[0]!]: input as InputValues }
    throw failure({ tag: 'Schema', code: 'UNNAMED_INPUT', problem: `the signature ${name} has ${names.length} inputs, so values must be given by name`, remedy: `It takes: ${describeInputs(signature)}.` })
  }

  /** Inputs whose first dimension is the batch must agree on it. */
  private checkRows(signature: ModelSignature, feeds: ReadonlyMap<string, HostTensor>): void {
    let first: { readonly key: string; readonly rows: number } | undefined
    for (const [key, tensor] of feeds) {
      if (signature.inputs[key]!.shape?.[0] !== -1) continue
      const rows = tensor.shape[0]!
      first ??= { key, rows }
      if (rows !== first.rows) {
        throw failure({ tag: 'Schema', code: 'LENGTH_MISMATCH', problem: `the input "${key}" has ${rows} rows where "${first.key}" has ${first.rows}`, position: { column: key } })
      }
    }
  }
}

/** A predictor over something that runs signatures. */
export const makePredictor = (runner: Runner, signatures: { readonly [name: string]: ModelSignature }): Predictor => new RunningPredictor(runner, signatures)
