import { conformance } from './conformance.js'
import { readers } from './records.js'

// Whole files on worker threads, then parts of a record or two each. What is read ahead is by intent more than the rows need.
const onThreads = readers.map(({ parts: _, ...reader }) => ({ ...reader, streams: false, sampled: 11 }))
for (const reader of onThreads) conformance({ ...reader, name: `${reader.name}, two workers,`, read: (source, options) => reader.read(source, { workers: 2, ...options }) })
for (const reader of onThreads.filter(({ extension }) => ['csv', 'json', 'jsonl', 'tfrecord', 'parquet'].includes(extension))) {
  conformance({ ...reader, name: `${reader.name}, two workers, in parts,`, read: (source, options) => reader.read(source, { workers: 2, splitBytes: 100, ...options }) })
}
