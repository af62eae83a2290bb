import { failure } from '@millrace/core'
import { parseCheckpointIndex, tensorNumbers, type CallOptions, type CheckpointEntry, type CheckpointIndex, type Session } from '@millrace/export'
import type { CheckpointOps, RestoreOps, RowOps } from './checkpoint-ops.js'
import { planRowCopies, type RowCopy, type RowRange } from './copy-rows.js'
import { decodePositions, POSITIONS_TENSOR, type InputPosition } from './positions.js'
import { readServerFile } from './server-files.js'
import { savedName } from './slice-spec.js'

/** Where a worker's input goes on, and what it costs. */
export interface RestoredPosition extends InputPosition {
  /** Steps between the position and the checkpoint: what was read in them is read again, and nothing is left out. */
  readonly repeatedSteps: number
}

/** What a restore did. */
export interface RestoreReport {
  readonly prefix: string
  /** The global step of the checkpoint; `undefined` where the variables have none. */
  readonly step: number | undefined
  readonly variables: number
  /** Tables whose rows lay in another order, and were put into that of the graph. */
  readonly reordered: readonly string[]
  readonly positions: readonly RestoredPosition[]
}

/** One way for each variable. */
interface Plan {
  readonly whole: readonly RestoreOps[]
  readonly byRows: readonly { readonly name: string; readonly device: string; readonly ops: RowOps; readonly copies: readonly RowCopy[] }[]
}

/** Checkpoints of another model are refused before anything is changed. */
const checkVariable = (index: CheckpointIndex, { variable }: RestoreOps, source: string): CheckpointEntry => {
  const { weight, slice } = variable
  const [name, shape] = [savedName(variable), slice?.shape ?? weight.shape]
  const entry = index.entries.get(name)
  const bad = (problem: string): Error =>
    failure({ tag: 'Model', code: 'CHECKPOINT_MISMATCH', problem, remedy: 'Give the folder of this very model, with the same optimizer.', position: { source } })
  if (entry === undefined) throw bad(`the checkpoint has no variable ${name}`)
  if (entry.dtype === weight.dtype && entry.shape.length === shape.length && entry.shape.every((size, axis) => size === shape[axis])) return entry
  throw bad(`${name} is ${entry.dtype}[${entry.shape.join(',')}] in the checkpoint, and ${weight.dtype}[${shape.join(',')}] in the graph`)
}

const planRestore = (ops: CheckpointOps, index: CheckpointIndex, source: string): Plan => {
  const whole: RestoreOps[] = []
  const byRows: Plan['byRows'][number][] = []
  for (const restore of ops.restores) {
    const { variable, rows } = restore
    const entry = checkVariable(index, restore, source)
    const copies = planRowCopies(entry, index, variable)
    if (copies === undefined) whole.push(restore)
    else if (rows !== undefined) byRows.push({ name: savedName(variable), device: variable.device ?? '', ops: rows, copies })
    else throw failure({ tag: 'Model', code: 'CHECKPOINT_LAYOUT', problem: `the rows of ${entry.name} lie part by part in the checkpoint, and only tables have their rows put in order`, position: { source } })
  }
  return { whole, byRows }
}

const int64s = (range: RowRange): BigInt64Array => BigInt64Array.from(range, BigInt)

/** One table after another on each server, one slice after another: a server holds one slice of the checkpoint beside its variables. */
const copyRows = async (session: Session, prefix: readonly [string, string], plan: Plan['byRows'], options: CallOptions): Promise<void> => {
  await Promise.all([...new Set(plan.map(({ device }) => device))].map(async (server) => {
    for (const { ops, copies } of plan.filter(({ device }) => device === server)) {
      await session.run({ targets: [ops.clear.name] }, options)
      for (const { spec, from, to } of copies) {
        await session.run({ feeds: [prefix, [ops.spec.name, spec], [ops.from.name, int64s(from)], [ops.to.name, int64s(to)]], targets: [ops.copy.name] }, options)
      }
    }
  }))
}

const readPositions = async (session: Session, ops: CheckpointOps, prefix: readonly [string, string], index: CheckpointIndex, options: CallOptions): Promise<readonly InputPosition[]> => {
  if (index.entries.get(POSITIONS_TENSOR)?.dtype !== 'string') return []
  const [positions] = await session.run({ feeds: [prefix], fetches: [ops.restoredPositions.name] }, options)
  return decodePositions(positions)
}

/**
 * Gives the variables their values from a checkpoint, of ours or of TensorFlow, on any number of servers: each server reads what it
 * holds. The slices of a table may have been cut in another way; rows that lie in another order are put in that of the graph.
 *
 * When it fails, variables may have been changed.
 *
 * @throws `Corrupt` or `Engine` for a checkpoint that is damaged or not there, `Model` for one of another model, before anything is changed
 */
export const restoreCheckpoint = async (session: Session, ops: CheckpointOps, prefix: string, options: CallOptions = {}): Promise<RestoreReport> => {
  const source = `${prefix}.index`
  const index = parseCheckpointIndex(await readServerFile(session, ops.files, source, options), source)
  const plan = planRestore(ops, index, source)
  const fed = [ops.prefix.name, prefix] as const
  const positions = await readPositions(session, ops, fed, index, options)
  if (plan.whole.length > 0) await session.run({ feeds: [fed], targets: plan.whole.map(({ whole }) => whole.name) }, options)
  await copyRows(session, fed, plan.byRows, options)
  const step = ops.step === undefined ? undefined : await readStep(session, ops.step.value.name, options)
  return {
    prefix,
    step,
    variables: new Set(ops.variables.map(savedName)).size,
    reordered: [...new Set(plan.byRows.map(({ name }) => name))],
    positions: positions.map((position) => ({ ...position, repeatedSteps: Math.max(0, (step ?? position.step) - position.step) })),
  }
}

/** The global step. */
export const readStep = async (session: Session, value: string, options: CallOptions): Promise<number> => {
  const [tensor] = await session.run({ fetches: [value] }, options)
  return tensorNumbers(tensor)[0] as number
}
