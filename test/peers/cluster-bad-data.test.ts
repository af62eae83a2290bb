import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromRows, pipe, run } from '@millrace/core'
import { startLocalCluster, train, trainOnCluster, type ClusterTrainingOptions, type LocalCluster } from '@millrace/distributed'
import { latestCheckpoint } from '@millrace/export'
import { writeTfRecords } from '@millrace/formats'
import { data, makeModel, ROWS, rows } from '../support/cluster-model.js'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

describePeer('a training on a cluster whose data is bad', 'tensorflow', () => {
  const library = peerLibrary()
  let cluster: LocalCluster
  let folder: string
  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-bad-'))
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library, environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const training = (options: Partial<ClusterTrainingOptions>) => run(trainOnCluster(makeModel(), cluster, { data, label: 'y', batchSize: 50, ...options }))

  test('weights that are NaN are no success, and no checkpoint, though relu hides them from the loss', async () => {
    const hidden = fromRows(data.schema, rows.map((row, at) => (at === 300 ? { ...row, a: NaN } : row)))
    const refused = { _tag: 'Model', code: 'WEIGHTS_NOT_FINITE', message: expect.stringContaining('"hidden/kernel"') as string }
    await expect(training({ data: hidden })).rejects.toMatchObject(refused)
    const checkpoints = { folder: join(folder, 'nan'), everySteps: 1 }
    await expect(training({ data: hidden, checkpoints })).rejects.toMatchObject(refused)
    // The chief's own fourth batch has it.
    expect(Number((await latestCheckpoint(checkpoints.folder))!.split('-').at(-1))).toBeLessThan(40)
    await expect(run(train(makeModel(), { data: hidden, label: 'y', epochs: 1, batchSize: 50, runtime: 'tensorflow', library }))).rejects.toMatchObject(refused)
  })

  test('files that hold no record, and a folder, are no success', async () => {
    await writeFile(join(folder, 'empty-0'), '')
    await mkdir(join(folder, 'folder'))
    const none = { _tag: 'Usage', code: 'NO_ROWS', message: expect.stringContaining('See that the files hold records') as string }
    await expect(training({ data: { files: join(folder, 'empty-*') }, steps: 100 })).rejects.toMatchObject(none)
    await expect(training({ data: { files: join(folder, 'empty-*') }, synchronous: {} })).rejects.toMatchObject(none)
    const recoveries: unknown[] = []
    await expect(training({ data: { files: join(folder, 'folder') }, onRecovery: (event) => recoveries.push(event) })).rejects.toThrow(/Is a directory/)
    expect(recoveries).toEqual([])
  })

  test('a run that meets the end of the data counts the steps that it has done', async () => {
    await run(pipe(data, writeTfRecords(join(folder, 'whole'), { shards: 2 })))
    const { globalStep, workers } = await training({ data: { files: join(folder, 'whole-*') }, labelDType: 'int64', stepsPerRun: 7 })
    expect(globalStep).toBe(ROWS / 50)
    expect(workers).toMatchObject([0, 1].map(() => ({ steps: 20, rows: ROWS / 2, uncertainRows: 0 })))
  })

  test('what is wrong with rows and files is said in one line', async () => {
    const files = join(folder, 'none.txt')
    await writeFile(files, 'This is a text, and no TFRecord. '.repeat(9))
    await expect(training({ data: { files } })).rejects.toMatchObject({ code: 'TF_DATA_LOSS', message: expect.stringMatching(/^[^\n]*corrupted record[^\n]*none\.txt\)\. See that the files are TFRecords[^\n]*$/) as string })
    await run(pipe(data, writeTfRecords(join(folder, 'rows'), { shards: 2 })))
    await expect(training({ data: { files: join(folder, 'rows-*') }, label: 'zzz' })).rejects.toMatchObject({ message: expect.stringMatching(/^[^\n]*zzz[^\n]*rows-\*\)\. See that the rows have the columns[^\n]*$/) as string })
  })

  test('many steps in flight warn of no leak', async () => {
    const warnings: string[] = []
    const listener = ({ name }: Error): number => warnings.push(name)
    process.on('warning', listener)
    try {
      await training({ inFlight: 30 })
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      process.off('warning', listener)
    }
    expect(warnings).not.toContain('MaxListenersExceededWarning')
  })
})
