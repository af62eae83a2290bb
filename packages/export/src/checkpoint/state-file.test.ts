import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkpointPath, encodeCheckpointState, latestCheckpoint, parseCheckpointState } from './state-file.js'

// As tf.train.update_checkpoint_state of TensorFlow 2.21 writes it.
const theirs = `model_checkpoint_path: "model.ckpt-20"
all_model_checkpoint_paths: "/data/old \\"one\\"/Z\\303\\274rich-10"
all_model_checkpoint_paths: "model.ckpt-20"
all_model_checkpoint_timestamps: 1764100000.25
all_model_checkpoint_timestamps: 1.7641e+09
last_preserved_timestamp: 1764099999.5
`

test('reads what TensorFlow writes', () => {
  expect(parseCheckpointState(theirs)).toEqual({
    latest: 'model.ckpt-20', all: ['/data/old "one"/Zürich-10', 'model.ckpt-20'], timestamps: [1764100000.25, 1.7641e9], lastPreserved: 1764099999.5,
  })
})

test('reads what it writes, whatever the names', () => {
  const path = fc.string({ unit: 'binary', minLength: 1 })
  fc.assert(fc.property(fc.array(path), path, (others, latest) => {
    const all = [...others.filter((one) => one !== latest), latest]
    const state = { latest, all, timestamps: all.map((_, index) => index + 0.5), lastPreserved: undefined }
    expect(parseCheckpointState(encodeCheckpointState(state))).toEqual(state)
  }))
})

test('a file that names nothing, or is cut within a value, is no state', () => {
  for (const text of ['', '# nothing yet\n', 'model_checkpoint_path: ""', 'model_checkpoint_path', 'model_checkpoint_path: "model.ck', '\0\0\0', '{}']) expect(parseCheckpointState(text), text).toBeUndefined()
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
    parseCheckpointState(text)
  }))
})

test('a long name is read whole', () => {
  const latest = 'x'.repeat(900_000)
  expect(parseCheckpointState(encodeCheckpointState({ latest, all: [], timestamps: [], lastPreserved: undefined }))?.latest).toBe(latest)
})

test('the latest is relative to its folder, or absolute', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-state-'))
  try {
    expect(await latestCheckpoint(folder)).toBeUndefined()
    await writeFile(join(folder, 'checkpoint'), theirs)
    expect(await latestCheckpoint(folder)).toBe(join(folder, 'model.ckpt-20'))
    expect(await latestCheckpoint(`${folder}/`)).toBe(join(folder, 'model.ckpt-20'))
    expect(['/a/b', 'hdfs://nn/a', 'a'].map((path) => checkpointPath('s3://x', path))).toEqual(['/a/b', 'hdfs://nn/a', 's3://x/a'])
  } finally {
    await rm(folder, { recursive: true })
  }
})
