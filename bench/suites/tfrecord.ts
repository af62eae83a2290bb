import { mkdir, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Field } from '@millrace/core'
import type { ContenderCommand } from '../contender.js'
import { requireAgreement, type Digest } from '../harness/digest.js'
import { measure, type Contender, type Cost } from '../harness/measure.js'
import { startContender, startPython, type Program } from '../harness/program.js'
import { throughputRow, type BenchRow } from '../harness/rows.js'
import { compileProtobufjs } from '../peers/protobufjs-examples.js'
import type { SuiteContext } from '../run.js'
import { makeData } from './tfrecord-data.js'
import { schemas } from './tfrecord-schemas.js'

const TENSORFLOW = 'tf.data'
const PROTOBUFJS = 'protobufjs static'
/** What no way of handing batches over can surpass. */
const APART = 'two threads that hand nothing over (limit)'
/** Workers are for much data: of one file of 50 MB a good part is the beginning and the end, when one of them waits. */
const COPIES = 8

const kindOf = ({ kind, params }: Field): string =>
  kind === 'float32' ? 'float' : kind === 'int64' ? 'int' : kind === 'list' ? `${kindOf(params.item!)} list` : 'bytes'

/** What `bench/peers/tf_data.py` is told of a schema. */
export const featureKinds = (schema: string): { [name: string]: string } => Object.fromEntries(Object.entries(schemas[schema]!).map(([name, field]) => [name, kindOf(field)]))

/** A contender as the suite talks to it: each in a process of its own. */
interface Entrant {
  readonly name: string
  readonly program: Program
}

/** A file, how it is read, and by whom. */
interface ReadCase {
  readonly name: string
  readonly file: string
  readonly schema: string
  /** Records of a TensorFlow batch. */
  readonly batch: number
  /** How many times a turn reads the file. Default: once. */
  readonly copies?: number
  readonly ours: Entrant
  readonly peers: readonly Entrant[]
}

class TfRecordSuite {
  constructor(
    private readonly context: SuiteContext,
    private readonly module: string,
    private readonly folder: string,
  ) {}

  /** Reads a file to typed columns, each contender with both checksums checked. */
  async read({ name, file, schema, batch, copies = 1, ours, peers }: ReadCase): Promise<BenchRow[]> {
    const command = { file, schema, module: this.module, out: '', batch, features: featureKinds(schema) }
    // The rows that we see: what the peers see is compared with it before anything counts.
    const due = await ours.program.ask<Digest>({ ...command, do: 'check' })
    const sized = { ...command, rows: due.rows, copies } satisfies Omit<ContenderCommand, 'do'> & object
    for (const peer of peers) requireAgreement(name, due, peer.name, await peer.program.ask<Digest>({ ...sized, do: 'check' }))
    const contenders = [ours, ...peers].map((entrant): Contender => ({ name: entrant.name, run: () => entrant.program.ask<Cost>({ ...sized, do: 'read' }) }))
    const costs = await measure(contenders, this.context)
    const bytes = (await stat(file)).size * copies
    return peers.map((peer) =>
      throughputRow({ suite: 'tfrecord', case: name, peerName: peer.name }, { bytes, costs: costs.get(ours.name)! }, { bytes, costs: costs.get(peer.name)! }),
    )
  }

  /** Writes the tabular columns from memory to one file. */
  async write(name: string, file: string, ours: Entrant, peers: readonly Entrant[]): Promise<BenchRow[]> {
    const outs = new Map([ours, ...peers].map((entrant, i) => [entrant.name, join(this.folder, `written-${i}`)]))
    const written = (entrant: Entrant): string => (entrant === ours ? `${outs.get(entrant.name)!}-00000-of-00001` : outs.get(entrant.name)!)
    const command = (entrant: Entrant): object =>
      // Python's messages are slow to make: a tenth of the rows is enough, and is compared by bytes a second.
      ({ do: 'write', file, schema: 'tabular', features: featureKinds('tabular'), module: this.module, batch: 1024, batches: 20, out: outs.get(entrant.name)! })
    const contenders = [ours, ...peers].map((entrant): Contender => ({ name: entrant.name, run: () => entrant.program.ask<Cost>(command(entrant)) }))
    const costs = await measure(contenders, this.context)
    const check = (of: string): Promise<Digest> => ours.program.ask<Digest>({ do: 'check', file: of, schema: 'tabular' })
    const due = await check(file)
    requireAgreement(name, due, 'our own output', await check(written(ours)))
    const rows: BenchRow[] = []
    const { size } = await stat(written(ours))
    for (const peer of peers) {
      const { size: bytes } = await stat(written(peer))
      if (peer.name === PROTOBUFJS) requireAgreement(name, due, peer.name, await check(written(peer)))
      rows.push(
        throughputRow(
          { suite: 'tfrecord', case: name, peerName: peer.name === TENSORFLOW ? 'tf.io.TFRecordWriter' : peer.name },
          { bytes: size, costs: costs.get(ours.name)! },
          { bytes, costs: costs.get(peer.name)! },
        ),
      )
    }
    return rows
  }
}

/** TFRecords of tf.train.Example: 200,000 records of 13 features, the same with the features in another order each time, images; sequences. */
export const tfrecordSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const { scale, say } = context
  const data = await makeData(resolve('bench/data'), scale)
  const folder = resolve(`out/bench/tfrecord-${process.pid}`)
  await mkdir(folder, { recursive: true })
  const programs: Program[] = []
  const opened = (name: string, program: Program): Entrant => {
    programs.push(program)
    return { name, program }
  }
  try {
    const module = await compileProtobufjs(resolve('packages/export/src/proto/example.proto'), folder)
    const python = context.python ? startPython(resolve('bench/peers/tf_data.py'), 'tensorflow') : { lacks: 'left out' }
    const tensorflow = 'lacks' in python ? undefined : opened(TENSORFLOW, python)
    say('lacks' in python ? `without ${TENSORFLOW}: ${python.lacks}` : `TensorFlow ${(await python.ask<{ version: string }>({ do: 'version' })).version}, one thread, batches of 1024 (images: 32)`)
    const ours = opened('Millrace', startContender('ours'))
    const protobufjs = opened(PROTOBUFJS, startContender('protobufjs'))
    const all = [...(tensorflow === undefined ? [] : [tensorflow]), protobufjs]
    const onWorkers = (name: string, workers: number): Entrant => {
      const { program, ...entrant } = opened(name, startContender('ours'))
      return { ...entrant, program: { ...program, ask: (command) => program.ask({ ...command, workers }) } }
    }
    const suite = new TfRecordSuite(context, module, folder)
    const cases: { readonly [name: string]: (name: string) => Promise<BenchRow[]> } = {
      'read tabular': (name) => suite.read({ name, file: data.tabular, schema: 'tabular', batch: 1024, ours, peers: all }),
      'read tabular, two workers': (name) => suite.read({ name, file: data.tabular, schema: 'tabular', batch: 1024, copies: COPIES, ours: onWorkers('Millrace, two workers', 2), peers: [onWorkers('the main thread', 0), onWorkers('one worker', 1), opened(APART, startContender('apart'))] }),
      'read shuffled': (name) => suite.read({ name, file: data.shuffled, schema: 'tabular', batch: 1024, ours, peers: all }),
      'read images': (name) => suite.read({ name, file: data.images, schema: 'images', batch: 32, ours, peers: all }),
      'read images without native code': (name) => {
        const plain = opened('Millrace', startContender('ours', { native: false }))
        const peer = opened(`${PROTOBUFJS}, slicing-by-8`, startContender('protobufjs', { native: false }))
        return suite.read({ name, file: data.images, schema: 'images', batch: 32, ours: plain, peers: [peer] })
      },
      'read many features': (name) => suite.read({ name, file: data.wide, schema: 'wide', batch: 1024, ours, peers: all }),
      'read texts only': (name) => suite.read({ name, file: data.strings, schema: 'strings', batch: 1024, ours, peers: all }),
      'read lists': (name) => suite.read({ name, file: data.lists, schema: 'lists', batch: 1024, ours, peers: all }),
      'read sparse': (name) => suite.read({ name, file: data.sparse, schema: 'sparse', batch: 1024, ours, peers: all }),
      'read sequences': async (name) => (tensorflow === undefined ? [] : suite.read({ name, file: data.sequences, schema: 'sequences', batch: 256, ours, peers: [tensorflow] })),
      'write tabular': (name) => suite.write(name, data.tabular, ours, all),
    }
    const rows: BenchRow[] = []
    for (const [name, work] of Object.entries(cases)) if (name.includes(context.only)) rows.push(...(await work(name)))
    return rows
  } finally {
    for (const program of programs) program.close()
    await rm(folder, { recursive: true, force: true })
  }
}
