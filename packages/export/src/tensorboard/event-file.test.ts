import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readRawRecords } from '@millrace/formats'
import { fromInt64, tensorflow } from '../proto/index.js'
import { openEventFile } from './index.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-events-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const read = async (path: string): Promise<tensorflow.Event[]> => {
  const events: tensorflow.Event[] = []
  for await (const batch of readRawRecords(path)) for (let index = 0; index < batch.numRows; index += 1) events.push(tensorflow.Event.decode(batch.row(index).record))
  return events
}

test('a file begins with its version, and what is added is there before it is closed', async () => {
  const events = await openEventFile(join(folder, 'new', 'run'))
  await events.scalars(7, { loss: 0.5, accuracy: 1 })
  const [version, scalars] = await read(events.path)
  expect(version).toMatchObject({ fileVersion: 'brain.Event:2' })
  expect(fromInt64(scalars?.step)).toBe(7n)
  expect(scalars?.summary?.value?.map(({ tag, metadata, tensor }) => [tag, metadata?.pluginData?.pluginName, tensor?.floatVal])).toEqual([
    ['loss', 'scalars', [0.5]],
    ['accuracy', 'scalars', [1]],
  ])
  await events.close()
})

test('events that are added at once stand whole and in order', async () => {
  const events = await openEventFile(folder)
  await Promise.all(Array.from({ length: 50 }, (_, step) => events.scalars(step, { value: step })))
  await events.close()
  const steps = (await read(events.path)).slice(1).map(({ step }) => Number(fromInt64(step)))
  expect(steps).toEqual(Array.from({ length: 50 }, (_, step) => step))
})

test('two files of one second have two names that TensorBoard finds', async () => {
  const files = await Promise.all([openEventFile(join(folder, 'two')), openEventFile(join(folder, 'two'))])
  await Promise.all(files.map((file) => file.close()))
  const names = await readdir(join(folder, 'two'))
  expect(names).toHaveLength(2)
  for (const name of names) expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\..+\.\d+\.\d+$/)
})

test('a folder that is not on this machine is refused', async () => {
  await expect(openEventFile('https://example.com/logs')).rejects.toMatchObject({ _tag: 'Usage', code: 'EVENTS_LOCAL_ONLY' })
})
