import { failure, job, throwIfAborted, writeBytes, type IfExists, type Job } from '@millrace/core'
import { isStringData, type Graph, type TensorValue } from '../graph/index.js'
import { lower, type FeatureSet } from '../lower/index.js'
import { addInitializer } from '../saved-model/build-saved-model.js'
import { valuedModel, type ExportableModel, type WeightOptions } from '../saved-model/checkpoint-weights.js'
import { exampleNotes } from '../saved-model/notes.js'
import { describeEntry, type SignatureReport } from '../saved-model/signatures.js'

/** Options of {@link exportFrozenGraph}. */
export interface ExportFrozenGraphOptions extends WeightOptions {
  /** Fitted features named as the model's inputs: the graph then takes raw columns. Default: it takes the model's inputs. */
  readonly inputs?: FeatureSet | undefined
  /** Whether the graph can also take serialized `tf.train.Example`s. Default true. */
  readonly examples?: boolean | undefined
  /** Default `fail`. */
  readonly ifExists?: IfExists | undefined
}

/** What an export wrote, and what a caller has to know: a frozen graph has no signatures of its own. */
export interface FrozenReport {
  readonly url: string
  /** Ways to run it, by the names that a SavedModel's signatures have: the tensors to feed and to fetch. */
  readonly signatures: Readonly<Record<string, SignatureReport>>
  /** The node to run once before anything else, which fills the vocabularies; `undefined` where there are none. */
  readonly initializer: string | undefined
  readonly bytes: number
  /** What could not be written as asked, and what callers may trip over, for people. */
  readonly notes: readonly string[]
}

/** Most bytes of a protobuf message: TensorFlow's parser counts in int32. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1

/**
 * Writes a TensorFlow.js layers model, with its features inside, as one GraphDef whose variables and vocabularies are constants
 * (`tf.compat.v1.import_graph_def`, or anything else that runs frozen graphs).
 *
 * @example
 * const { signatures, initializer } = await run(exportFrozenGraph(model, 'out/frozen.pb', { inputs }))
 * @throws `Model` for a layer or feature that cannot be exported; `Limit` above 2 GiB; `AlreadyExists`
 */
export const exportFrozenGraph = (model: ExportableModel, url: string, options: ExportFrozenGraphOptions = {}): Job<FrozenReport> =>
  job(async ({ signal }) => {
    const description = await valuedModel(model, options, signal)
    const lowered = lower(description, {
      mode: 'serving',
      variables: 'constants',
      inputs: options.inputs,
      examples: options.examples ?? true,
    })
    const { graph, values, examples, tables } = lowered
    const initializer = addInitializer(graph, tables)?.name
    const size = constantBytes(graph)
    if (size > MAX_MESSAGE_BYTES) {
      throw failure({
        tag: 'Limit',
        code: 'FROZEN_SIZE',
        problem: `the model's constants take ${size} bytes, and a graph holds ${MAX_MESSAGE_BYTES} at most`,
        remedy: 'Export a SavedModel, which keeps variables beside the graph.',
        position: { source: url },
      })
    }
    throwIfAborted(signal)
    const bytes = graph.encode()
    await writeBytes(url, bytes, { ifExists: options.ifExists ?? 'fail', signal })
    return {
      url,
      signatures: {
        serving_default: describeEntry(values),
        ...(examples === undefined ? {} : { serving_examples: describeEntry(examples) }),
      },
      initializer,
      bytes: bytes.length,
      notes: exampleNotes(lowered),
    }
  })

const constantBytes = (graph: Graph): number =>
  graph.nodes.reduce((sum, node) => {
    if (node.op !== 'Const') return sum
    const { data } = node.attrs['value'] as TensorValue
    return sum + (isStringData(data) ? data.reduce((size, text) => size + text.length, 0) : data.byteLength)
  }, 0)
