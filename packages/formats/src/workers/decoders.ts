import type { Batch } from '@millrace/core'
import { arrowFiles } from '../arrow/read-arrow.js'
import { csvFiles } from '../csv/read-csv.js'
import { jsonFiles } from '../json/read-json.js'
import { parquetFiles } from '../parquet/read-parquet.js'
import type { FileTask } from '../reading/read-files.js'
import { rawRecordFiles } from '../tfrecord/read-raw-records.js'
import { sequenceExampleFiles } from '../tfrecord/read-sequence-examples.js'
import { tfRecordFiles } from '../tfrecord/read-tfrecords.js'

/** How a worker reads a format. */
export interface Decoder {
  /** The batches of a file, by the options of the reader. */
  readonly readFile: (options: object, task: FileTask) => AsyncGenerator<Batch, void, undefined>
  /** Whether each batch has buffers of its own, which may be handed over. */
  readonly ownsBuffers: boolean
}

type Files = (source: string, options: never) => { readonly readFile: Decoder['readFile'] extends (options: never, task: infer T) => infer R ? (task: T) => R : never }

const decoder = (files: Files, ownsBuffers: boolean): Decoder => ({ ownsBuffers, readFile: (options, task) => files(task.file.url, options as never).readFile(task) })

/** The formats that workers read, by their names in plans. */
export const decoders: { readonly [format: string]: Decoder } = {
  csv: decoder(csvFiles, true),
  json: decoder(jsonFiles, true),
  tfrecord: decoder(tfRecordFiles, true),
  'tfrecord-sequence': decoder(sequenceExampleFiles, true),
  records: decoder(rawRecordFiles, true),
  // Slices of a row group, dictionaries of a file.
  parquet: decoder(parquetFiles, false),
  arrow: decoder(arrowFiles, false),
}
