import { resolve } from 'node:path'
import { failure, readWhole, schemeOf, storageFor, writeText } from '@millrace/core'
import { encodeCheckpointState, parseCheckpointState, type CallOptions, type CheckpointState, type Session } from '@millrace/export'
import type { CheckpointOps } from './checkpoint-ops.js'
import { listServerFiles, readServerFile, writeServerFile } from './server-files.js'

/** Where checkpoints are, and what they are called. */
export interface FolderOptions {
  /** Path or URL that all parameter servers see, the same for all of them; a relative path is one of this process. */
  readonly folder: string
  /** What checkpoints are called, before `-<step>`. Default `model.ckpt`. */
  readonly name?: string | undefined
}

/** A part in a temporary folder of ours. */
const temporaryPart = /_temp_[0-9a-f]{32}\/part[^/]*$/

const checkName = (name: string): string => {
  if (/^[A-Za-z0-9][\w.-]*$/.test(name)) return name
  throw failure({ tag: 'Usage', code: 'CHECKPOINT_NAME', problem: `"${name}" is no name for checkpoints`, remedy: 'Use letters, digits and _ . -' })
}

const checkFolder = (folder: string): string => {
  const whole = schemeOf(folder) === 'file' && !folder.startsWith('file:') ? resolve(folder) : folder.replace(/\/+$/, '')
  if (!/[*?[\]{}\\]/.test(whole)) return whole
  throw failure({ tag: 'Usage', code: 'CHECKPOINT_FOLDER', problem: `the folder ${folder} has characters of patterns in its name`, remedy: 'Name it without any of * ? [ ] { } \\.' })
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/**
 * A folder of checkpoints. The parameter servers read and write it, by ops of the graph. This process takes part where it sees the
 * same folder: then files are renamed and removed, which no op does. Where it does not, the state file is written in place (a broken one
 * is found when it is read, and the checkpoints are then listed), and old checkpoints are emptied: their names stay, with no bytes.
 */
export class CheckpointFolder {
  readonly folder: string
  readonly #name: string
  readonly #session: Session
  readonly #ops: CheckpointOps
  /** Whether this process sees the folder; known when a checkpoint has been written. */
  #shared: boolean | undefined

  constructor(session: Session, ops: CheckpointOps, options: FolderOptions) {
    this.#session = session
    this.#ops = ops
    this.folder = checkFolder(options.folder)
    this.#name = checkName(options.name ?? 'model.ckpt')
  }

  /** The prefix of a name in this folder. */
  prefix(name: string): string {
    return `${this.folder}/${name}`
  }

  /** What a checkpoint of a step is called. */
  nameOf(step: number): string {
    return `${this.#name}-${step}`
  }

  /** What the state file says; `undefined` where it is not there, or broken. */
  async state(options: CallOptions): Promise<CheckpointState | undefined> {
    // Asked first: a server logs a read that finds no file as an error.
    const [found] = await listServerFiles(this.#session, this.#ops.files, this.prefix('checkpoint'), options)
    return found === undefined ? undefined : parseCheckpointState(new TextDecoder().decode(await this.#read('checkpoint', options)))
  }

  /** Names of all checkpoints that have an index, those of the latest steps first. */
  async list(options: CallOptions): Promise<readonly string[]> {
    const files = await listServerFiles(this.#session, this.#ops.files, `${this.folder}/${this.#name}-*.index`, options)
    const names = files.map((file) => file.slice(file.lastIndexOf('/') + 1, -'.index'.length))
    return names.map((name) => [name, Number(name.slice(this.#name.length + 1).replace('_', '.'))] as const)
      .filter(([, step]) => Number.isFinite(step))
      .sort(([, a], [, b]) => b - a)
      .map(([name]) => name)
  }

  /** Writes the state file; whoever reads it sees the old one or the new one, where this process can see to that. */
  async writeState(state: CheckpointState, options: CallOptions): Promise<void> {
    const text = encodeCheckpointState(state)
    if (await this.#sees(state.latest, options)) await writeText(this.prefix('checkpoint'), text, { ifExists: 'replace', signal: options.signal })
    else await writeServerFile(this.#session, this.#ops.files, this.prefix('checkpoint'), text, options)
  }

  /** Removes the files of a checkpoint, its index first. */
  async remove(name: string, options: CallOptions): Promise<void> {
    const prefix = this.prefix(name)
    const files = [`${prefix}.index`, ...(await listServerFiles(this.#session, this.#ops.files, `${prefix}.data-*-of-*`, options))]
    for (const file of files) {
      if (this.#shared === true) await storageFor(file).remove?.(file)
      else await writeServerFile(this.#session, this.#ops.files, file, '', options)
    }
  }

  /** Removes parts that saves left which did not come to their end; their folders stay, empty. Not while one is under way. */
  async sweep(options: CallOptions): Promise<void> {
    if (this.#shared !== true) return
    const files = await listServerFiles(this.#session, this.#ops.files, `${this.folder}/${this.#name}-*_temp_*/*`, options)
    for (const file of files) if (temporaryPart.test(file)) await storageFor(file).remove?.(file)
  }

  /** Whether this process sees the file that the servers have just written, and could write there. */
  async #sees(name: string, options: CallOptions): Promise<boolean> {
    this.#shared ??= await this.#compare(`${name}.index`, options)
    return this.#shared
  }

  async #compare(name: string, options: CallOptions): Promise<boolean> {
    try {
      const { create, remove } = storageFor(this.folder)
      if (create === undefined || remove === undefined) return false
      return equal(await readWhole(this.prefix(name), { signal: options.signal }), await this.#read(name, options))
    } catch {
      // Whatever the reason, this process does not read there.
      return false
    }
  }

  #read(name: string, options: CallOptions): Promise<Uint8Array> {
    return readServerFile(this.#session, this.#ops.files, this.prefix(name), options)
  }
}
