import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { collect, field, pipe, run, withColumn, type Row } from '@millrace/core'
import { loadFrozenGraph, loadSavedModel } from '@millrace/export'
import { readRawRecords, readTfRecords } from '@millrace/formats'
import { beforeAll, describe, expect, it } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = join(root, 'out/quickstart')

interface Report {
  flights: { read: number; delivered: number; rejected: number }
  rows: { train: number; validation: number; test: number }
  vocabularies: Record<string, number>
  backend: { backend: string }
  metrics: {
    baselines: Record<'baseRate' | 'hourTable', { logLoss: number; auc: number }>
    median: { logLoss: number; auc: number }
    served: { logLoss: number; auc: number; rows: number }
    margins: Record<'overBaseRate' | 'overHourTable', { logLoss: number; auc: number }>
    seeds: { seed: number; test: { logLoss: number; auc: number } }[]
  }
  savedModel: { url: string; signatures: Record<string, { inputs: Record<string, unknown> }>; seed: number }
  frozenGraph: { url: string; initializer: string; signatures: Record<string, { inputs: Record<string, { tensor: string }>; outputs: Record<string, { tensor: string }> }> }
  seconds: Record<string, number>
}

const raw = {
  date: field.timestamp(), delay: field.int32(), distance: field.float32(), origin: field.utf8(), destination: field.utf8(),
  originState: field.nullable(field.utf8()), destinationState: field.nullable(field.utf8()),
}

const runQuickstart = (): Promise<{ code: number | null; output: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['scripts/example.mjs', 'quickstart'], { cwd: root })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })

let first: Awaited<ReturnType<typeof runQuickstart>>
let report: Report
beforeAll(async () => {
  first = await runQuickstart()
  report = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as Report
}, 300_000)

describe('npm run quickstart', () => {
  it('ends well, and says what it did and what to do next', () => {
    expect(first.output).toContain('AUC')
    expect(first.output).toContain('saved_model_cli')
    expect(first.output).toContain('tensorflow_model_server')
    expect(first.output).toMatch(/Training on /)
    expect(first.code).toBe(0)
  })

  it('writes what it promises, and nothing half-done', async () => {
    const names = await readdir(folder)
    expect(names).toEqual(expect.arrayContaining([
      'train-00000-of-00004', 'train-00003-of-00004', 'validation-00000-of-00001', 'test-00000-of-00002', 'vocabularies', 'saved-model', 'frozen.pb', 'tensorboard', 'report.json',
    ]))
    expect(names.filter((name) => name.startsWith('.')).sort()).toEqual(['.test.manifest.json', '.train.manifest.json', '.validation.manifest.json'])
    expect((await readdir(join(folder, 'saved-model/1'))).sort()).toEqual(['assets', 'saved_model.pb', 'variables'])
    expect((await readdir(join(folder, 'saved-model/1/assets'))).length).toBe(4)
  })

  it('accounts for every flight', () => {
    expect(report.flights).toMatchObject({ read: 20_000, delivered: 20_000, rejected: 0 })
    expect(report.rows.train + report.rows.validation + report.rows.test).toBe(20_000)
    expect(report.rows.test).toBe(4000)
    expect(Object.values(report.seconds).every((seconds) => seconds >= 0)).toBe(true)
  })

  it('beats the share of late flights and the table by hour, on the median of three seeds', () => {
    const { baselines, median, margins, seeds, served } = report.metrics
    expect(baselines.baseRate.logLoss).toBeCloseTo(0.511, 2)
    expect(baselines.hourTable.logLoss).toBeCloseTo(0.492, 2)
    expect(seeds).toHaveLength(3)
    expect([...seeds].sort((a, b) => a.test.logLoss - b.test.logLoss)[1]!.test).toEqual(median)
    expect(margins.overHourTable.logLoss).toBeCloseTo(baselines.hourTable.logLoss - median.logLoss, 12)
    expect(margins.overBaseRate.logLoss).toBeGreaterThan(0)
    expect(margins.overHourTable.logLoss).toBeGreaterThan(0)
    expect(margins.overHourTable.auc).toBeGreaterThan(0)
    // What the exported model answers to raw values is what the model in memory answers to features.
    const exported = seeds.find(({ seed }) => seed === report.savedModel.seed)!
    expect(served.logLoss).toBeCloseTo(exported.test.logLoss, 6)
  })

  it('replaces its own output when it runs again', async () => {
    const before = (await stat(join(folder, 'saved-model/1/saved_model.pb'))).mtimeMs
    const events = await readdir(join(folder, 'tensorboard/seed-1/train'))
    const again = await runQuickstart()
    expect(again.code).toBe(0)
    expect((await stat(join(folder, 'saved-model/1/saved_model.pb'))).mtimeMs).toBeGreaterThan(before)
    expect(await readdir(join(folder, 'tensorboard/seed-1/train'))).toHaveLength(events.length)
    const second = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as Report
    expect(second.rows).toEqual(report.rows)
    expect(second.vocabularies).toEqual(report.vocabularies)
  }, 300_000)
})

describe('in-process', () => {
  it('both signatures and the frozen graph give the same probabilities', async () => {
    const test = readTfRecords(join(folder, 'test@*'), { schema: raw })
    const predictor = await run(loadSavedModel(join(folder, 'saved-model/1')))
    const outputs = { probability: field.float32() }
    const fromColumns = (await run(collect()(pipe(test, predictor.apply({ outputs }))))).map(({ probability }) => probability)
    const examples = (await run(collect()(readRawRecords(join(folder, 'test@*'))))).map((row) => Object.values(row as Row<{ record: ReturnType<typeof field.binary> }>)[0]!)
    const fromExamples = (await run(predictor.predict(examples, { signature: 'serving_examples' })))['probability']!
    expect(fromColumns).toHaveLength(report.rows.test)
    expect(Array.from(fromExamples.values as Float32Array)).toEqual(fromColumns)
    predictor.dispose()
  })
})

describePeer('TensorFlow', 'tensorflow', () => {
  it('loads the model and gives our predictions on the whole test split, and reads what we wrote', async () => {
    const peer = JSON.parse(await runPython(fileURLToPath(new URL('./peer.py', import.meta.url)), { args: [folder], cwd: root, timeoutMs: 240_000 })) as {
      values: number[]; examples: number[]; strange: number[]; strangeExamples: number[]; frozen: number[]; frozenStrange: number[]
      train: { rows: number; sums: Record<string, number> }; validation: { rows: number; sums: Record<string, number> }
      events: Record<string, string[]>
    }
    const current = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as Report
    const test = readTfRecords(join(folder, 'test@*'), { schema: raw })
    const predictor = await run(loadSavedModel(join(folder, 'saved-model/1')))
    const { signatures, initializer } = current.frozenGraph
    expect(initializer).toBeTruthy()
    expect(Object.keys(signatures)).toEqual(['serving_default', 'serving_examples'])
    const predictions = async (stream: Parameters<ReturnType<typeof predictor.apply>>[0]): Promise<number[]> =>
      (await run(collect()(pipe(stream, predictor.apply({ outputs: { probability: field.float32() } }))))).map((row) => (row as { probability: number }).probability)
    // TensorFlow reads the shards one after another, and so do we.
    const ours = await predictions(test)
    const strange = await predictions(pipe(test, withColumn('origin', field.utf8(), () => 'ZZZ-unknown'), withColumn('destination', field.utf8(), () => 'Łódź')))
    predictor.dispose()

    const furthest = (theirs: number[], mine: number[]): number => {
      expect(theirs).toHaveLength(mine.length)
      return Math.max(...theirs.map((value, i) => Math.abs(value - mine[i]!)))
    }
    expect(new Set(ours).size).toBeGreaterThan(1000)
    expect(furthest(peer.values, ours)).toBeLessThan(1e-5)
    expect(furthest(peer.examples, ours)).toBeLessThan(1e-5)
    expect(furthest(peer.frozen, ours)).toBeLessThan(1e-5)
    expect(furthest(peer.strange, strange)).toBeLessThan(1e-5)
    expect(furthest(peer.strangeExamples, strange)).toBeLessThan(1e-5)
    expect(furthest(peer.frozenStrange, strange)).toBeLessThan(1e-5)

    for (const part of ['train', 'validation'] as const) {
      const schema = Object.fromEntries(Object.keys(peer[part].sums).map((name) => [name, name === 'distance' ? field.float32() : field.int32()]))
      const rows = (await run(collect()(readTfRecords(join(folder, `${part}@*`), { schema })))) as Record<string, number>[]
      expect(peer[part].rows).toBe(rows.length)
      for (const [name, sum] of Object.entries(peer[part].sums)) expect(rows.reduce((total, row) => total + row[name]!, 0)).toBeCloseTo(sum, 3)
      expect(peer.events[part]).toContain('epoch_loss')
    }
  }, 300_000)
})

it('the frozen graph loads here by the names in the report', async () => {
  const { url, signatures, initializer } = report.frozenGraph
  expect(existsSync(join(root, url))).toBe(true)
  const { inputs, outputs } = signatures['serving_default']!
  const tensors = (of: Record<string, { tensor: string }>): Record<string, string> => Object.fromEntries(Object.entries(of).map(([name, { tensor }]) => [name, tensor]))
  const frozen = await run(loadFrozenGraph(join(root, url), { inputs: tensors(inputs), outputs: tensors(outputs), initializer }))
  const saved = await run(loadSavedModel(join(folder, 'saved-model/1')))
  const test = readTfRecords(join(folder, 'test@*'), { schema: raw })
  const options = { outputs: { probability: field.float32() } }
  const [a, b] = await Promise.all([frozen, saved].map(async (predictor) => (await run(collect()(pipe(test, predictor.apply(options))))).map(({ probability }) => probability)))
  expect(a).toEqual(b)
  frozen.dispose()
  saved.dispose()
})
