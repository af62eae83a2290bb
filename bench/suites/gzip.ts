import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { rename, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { requireAgreement, type Digest } from '../harness/digest.js'
import { measure, type Cost } from '../harness/measure.js'
import { startContender, startPython, type Program } from '../harness/program.js'
import { throughputRow, type BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { featureKinds } from './tfrecord.js'
import { makeData } from './tfrecord-data.js'

interface Entrant {
  readonly name: string
  readonly program: Program
}

const NODE = 'node:zlib default stream'
const TENSORFLOW = 'tf.data'

/** The packed form of a file, at gzip's usual level. */
const gzipped = async (file: string): Promise<string> => {
  const packed = `${file}.gz`
  if (existsSync(packed)) return packed
  const part = `${packed}.${process.pid}`
  await pipeline(createReadStream(file), createGzip({ level: 6 }), createWriteStream(part))
  await rename(part, packed)
  return packed
}

/** Reads one packed file, ours and peers, and compares by the bytes that it inflates to. */
const readCase = async (context: SuiteContext, name: string, plain: string, command: object, ours: Entrant, peers: readonly Entrant[]): Promise<BenchRow[]> => {
  const file = await gzipped(plain)
  const due = await ours.program.ask<Digest>({ ...command, file, do: 'check' })
  for (const peer of peers) requireAgreement(name, due, peer.name, await peer.program.ask<Digest>({ ...command, file, rows: due.rows, do: 'check' }))
  const contenders = [ours, ...peers].map((entrant) => ({ name: entrant.name, run: () => entrant.program.ask<Cost>({ ...command, file, rows: due.rows, do: 'read' }) }))
  const costs = await measure(contenders, context)
  const { size: bytes } = await stat(plain)
  return peers.map((peer) => throughputRow({ suite: 'gzip', case: name, peerName: peer.name }, { bytes, costs: costs.get(ours.name)! }, { bytes, costs: costs.get(peer.name)! }))
}

/** TFRecords packed with gzip: to their bytes, to payloads with both checksums checked, and to columns. Megabytes are those of the inflated files. */
export const gzipSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const data = await makeData(resolve('bench/data'), context.scale)
  const programs: Program[] = []
  const opened = (name: string, program: Program): Entrant => {
    programs.push(program)
    return { name, program }
  }
  try {
    const rows: BenchRow[] = []
    const wants = (name: string): boolean => name.includes(context.only)
    const files = { '': data.tabular, ', images': data.images, ', sequences': data.sequences }
    for (const [work, kind] of [['gunzip', 'gzip bytes'], ['gunzip, records checked', 'gzip']] as const) {
      const ours = opened('Millrace', startContender(`${kind} ours`))
      const node = opened(NODE, startContender(`${kind} node`))
      for (const [shape, file] of Object.entries(files)) if (wants(`${work}${shape}`)) rows.push(...(await readCase(context, `${work}${shape}`, file, {}, ours, [node])))
    }
    const python = context.python ? startPython(resolve('bench/peers/tf_data.py'), 'tensorflow') : { lacks: 'left out' }
    if ('lacks' in python) context.say(`without ${TENSORFLOW}: ${python.lacks}`)
    else {
      const command = { schema: 'tabular', features: featureKinds('tabular'), batch: 1024, compression: 'GZIP' }
      const peer = opened(TENSORFLOW, python)
      const name = 'gunzip to typed columns'
      if (wants(name)) rows.push(...(await readCase(context, name, data.tabular, command, opened('Millrace', startContender('ours')), [peer])))
    }
    return rows
  } finally {
    for (const program of programs) program.close()
  }
}
