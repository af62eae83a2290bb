import { tensorflow, toInt64 } from '../proto/index.js'

const encode = (event: tensorflow.Event.$Properties): Uint8Array => tensorflow.Event.encode(event).finish()

/** The first event of a file, by which readers know it (`tensorflow/core/util/events_writer.cc`). */
export const encodeFileVersion = (seconds: number): Uint8Array => encode({ wallTime: seconds, fileVersion: 'brain.Event:2' })

/**
 * Scalar values of one step, as TensorFlow 2's `tf.summary.scalar` writes them: a float32 tensor of rank 0 under the plugin
 * `scalars`. TensorBoard and `summary_iterator` read the first value of a tag for the plugin, so each carries it.
 *
 * @param seconds - wall time since 1970
 */
export const encodeScalars = (seconds: number, step: number, values: Readonly<Record<string, number>>): Uint8Array => {
  const metadata = { pluginData: { pluginName: 'scalars' }, dataClass: tensorflow.DataClass.DATA_CLASS_SCALAR }
  const value = Object.entries(values).map(([tag, scalar]) => ({
    tag,
    metadata,
    tensor: { dtype: tensorflow.DataType.DT_FLOAT, tensorShape: {}, floatVal: [scalar] },
  }))
  return encode({ wallTime: seconds, step: toInt64(step), summary: { value } })
}

/** A graph, as the bytes of a GraphDef. */
export const encodeGraph = (seconds: number, graphDef: Uint8Array): Uint8Array => encode({ wallTime: seconds, graphDef })
