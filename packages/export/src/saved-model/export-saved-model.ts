import { join } from 'node:path'
import { failure, job, run, throwIfAborted, writeBytes, writeFolder, writeText, type IfExists, type Job } from '@millrace/core'
import { writeCheckpoint } from '../checkpoint/index.js'
import { lower, type FeatureSet, type Lowered, type LoweredEntry } from '../lower/index.js'
import { tensorflow } from '../proto/index.js'
import { buildSavedModel } from './build-saved-model.js'
import { streamedModel, type ExportableModel, type WeightOptions } from './checkpoint-weights.js'
import { exampleNotes, nameNotes } from './notes.js'
import { describeEntry, signatureNames, type SignatureName, type SignatureReport } from './signatures.js'

/** Options of {@link exportSavedModel}. */
export interface ExportSavedModelOptions extends WeightOptions {
  /** Fitted features named as the model's inputs: the SavedModel then takes raw columns. Default: it takes the model's inputs. */
  readonly inputs?: FeatureSet | undefined
  /** Signatures to write. Default: all that can be. */
  readonly signatures?: readonly SignatureName[] | undefined
  /** Default `fail`; `replace` takes the place of the whole folder, which must be empty or hold a SavedModel. */
  readonly ifExists?: IfExists | undefined
}

/** What an export wrote. */
export interface ExportReport {
  /** The model's folder. TensorFlow Serving wants its name to be a number. */
  readonly url: string
  readonly signatures: Readonly<Record<string, SignatureReport>>
  /** Number of variables, and of numbers in them. */
  readonly variables: number
  readonly parameters: number
  /** Tokens in each vocabulary, by feature. */
  readonly vocabularies: Readonly<Record<string, number>>
  /** Bytes of all files. */
  readonly bytes: number
  /** What could not be written as asked, and what callers may trip over, for people. */
  readonly notes: readonly string[]
}

/**
 * Writes a TensorFlow.js layers model, with its features inside, as a SavedModel: `saved_model.pb`, the variables as a
 * checkpoint, the vocabularies as assets. The folder appears whole or not at all.
 *
 * - `serving_default` takes the raw columns, each `[batch]`: text as strings, floats as float32, integers, dates and timestamps as
 *   int64; without `inputs` it takes the model's inputs.
 * - `serving_examples` takes serialized `tf.train.Example`s of the same columns as `examples`. A column that may be null may be
 *   absent there, where a value stands for the null in all of its features; `notes` names those where none does.
 *
 * With `checkpoint` the variables come from there, block by block: a table need not fit in memory, nor in the model that is given.
 *
 * @example
 * const report = await run(exportSavedModel(model, 'out/saved-model/1', { inputs }))
 * @throws `Model` for a layer or feature that cannot be exported, and a checkpoint of another model; `AlreadyExists`
 */
export const exportSavedModel = (model: ExportableModel, url: string, options: ExportSavedModelOptions = {}): Job<ExportReport> =>
  job(async ({ signal, progress }) => {
    const wanted = options.signatures ?? signatureNames
    const { description, values } = await streamedModel(model, options, signal)
    const lowered = lower(description, {
      mode: 'serving',
      variables: 'variables',
      inputs: options.inputs,
      examples: wanted.includes('serving_examples'),
    })
    const signatures = chooseSignatures(lowered, wanted)
    const bytes = tensorflow.SavedModel.encode(buildSavedModel(lowered, signatures)).finish()
    let total = bytes.length

    await writeFolder(url, { ifExists: options.ifExists ?? 'fail', isReplaceable: (names) => names.includes('saved_model.pb'), last: 'saved_model.pb', signal }, async (folder) => {
      if (lowered.variables.length > 0) {
        const report = await run(writeCheckpoint(join(folder, 'variables', 'variables'), values(lowered.variables.map(({ weight }) => weight), signal)), { signal, progress })
        total += report.bytes
      }
      for (const { tokens, asset } of lowered.tables) {
        throwIfAborted(signal)
        if (asset === undefined) continue
        const text = tokens.map((token) => `${token}\n`).join('')
        await writeText(join(folder, 'assets', asset.fileName), text)
        total += Buffer.byteLength(text)
      }
      throwIfAborted(signal)
      await writeBytes(join(folder, 'saved_model.pb'), bytes)
    })

    return {
      url,
      signatures: Object.fromEntries(Object.entries(signatures).map(([name, entry]) => [name, describeEntry(entry)])),
      variables: lowered.variables.length,
      parameters: lowered.variables.reduce((sum, { weight }) => sum + weight.shape.reduce((product, dim) => product * dim, 1), 0),
      vocabularies: Object.fromEntries(lowered.tables.map(({ feature, tokens }) => [feature, tokens.length])),
      bytes: total,
      notes: [...exampleNotes(lowered), ...nameNotes(lowered)],
    }
  })

const chooseSignatures = (lowered: Lowered, wanted: readonly SignatureName[]): Partial<Record<SignatureName, LoweredEntry>> => {
  const entries = { serving_default: lowered.values, serving_examples: lowered.examples }
  const chosen: Partial<Record<SignatureName, LoweredEntry>> = {}
  for (const name of wanted) {
    const entry = entries[name]
    if (entry !== undefined) chosen[name] = entry
  }
  if (Object.keys(chosen).length === 0) {
    throw failure({ tag: 'Usage', code: 'EXPORT_NO_SIGNATURE', problem: lowered.noExamples === undefined ? 'no signature is asked for' : `there can be no signature serving_examples: ${lowered.noExamples}` })
  }
  return chosen
}
