import { modRows, modStart, type CheckpointEntry, type CheckpointIndex, type LoweredVariable, type VariableSlice } from '@millrace/export'
import { modParts, rowsSpec } from './slice-spec.js'

/** Start, limit and step of a range. */
export type RowRange = readonly [start: number, limit: number, step: number]

/** One step of filling a table from rows that lie in another order. */
export interface RowCopy {
  /** Rows of the checkpoint, as `shape_and_slices`. */
  readonly spec: string
  /** Which of them. */
  readonly from: RowRange
  /** Which rows of the variable they are. */
  readonly to: RowRange
}

/** Rows that lie together in the checkpoint: the row `first + i` is that of the id `id + i * step`. */
interface Run {
  readonly first: number
  readonly count: number
  readonly id: number
  readonly step: number
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

/** A server reads a stored slice whole, whatever rows of it are asked for; so each is read once. */
const storedRuns = ({ shape, modParts: parts }: CheckpointEntry, slices: ReturnType<CheckpointIndex['slices']>): readonly Run[] => {
  const rows = shape[0] as number
  if (parts !== undefined) return Array.from({ length: parts }, (_, part) => ({ first: modStart(rows, part, parts), count: modRows(rows, part, parts), id: part, step: parts }))
  const byRows = slices.every((slice) => slice.shape.slice(1).every((size, axis) => size === shape[axis + 1]))
  if (!byRows) return [{ first: 0, count: rows, id: 0, step: 1 }]
  return slices.map(({ start, shape: size }) => ({ first: start[0] as number, count: size[0] as number, id: start[0] as number, step: 1 }))
}

/** Ids of a variable's rows: row `j` is that of the id `id + j * step`. */
const idsOf = (slice: VariableSlice | undefined, rows: number): Run => {
  const count = slice === undefined ? rows : (slice.size[0] as number)
  if (slice?.layout === 'mod') return { first: 0, count, id: slice.part, step: slice.parts }
  return { first: 0, count, id: slice === undefined ? 0 : (slice.start[0] as number), step: 1 }
}

/**
 * The rows that two runs have in common, as ranges in each.
 *
 * Ids of both are arithmetic progressions, so the common ones are, too: every `stored.step / g`-th of the held ones, `g` the greatest
 * common divisor of the steps.
 */
const common = (stored: Run, held: Run): { readonly from: RowRange; readonly to: RowRange } | undefined => {
  const g = gcd(stored.step, held.step)
  const [heldStep, storedStep] = [stored.step / g, held.step / g]
  let j = 0
  while (j < heldStep && (held.id + j * held.step - stored.id) % stored.step !== 0) j += 1
  if (j === heldStep) return undefined
  // Of div layouts: the first that is not before the stored rows.
  const before = Math.ceil((stored.id - (held.id + j * held.step)) / (held.step * heldStep))
  j += Math.max(0, before) * heldStep
  const i = (held.id + j * held.step - stored.id) / stored.step
  const count = Math.min(Math.ceil((held.count - j) / heldStep), Math.ceil((stored.count - i) / storedStep))
  if (count <= 0) return undefined
  return { from: [i, i + (count - 1) * storedStep + 1, storedStep], to: [j, j + (count - 1) * heldStep + 1, heldStep] }
}

/**
 * How a variable gets its rows from a checkpoint where they lie in another order; `undefined` where they lie as the variable has
 * them, so that its slice of the checkpoint is its value.
 */
export const planRowCopies = (entry: CheckpointEntry, index: CheckpointIndex, { slice }: LoweredVariable): readonly RowCopy[] | undefined => {
  if ((entry.modParts ?? 1) === modParts(slice)) return undefined
  const rows = entry.shape[0] as number
  const held = idsOf(slice, rows)
  return storedRuns(entry, index.slices(entry)).flatMap((stored) => {
    const found = common(stored, held)
    return found === undefined ? [] : [{ spec: rowsSpec(entry.shape, stored.first, stored.count), ...found }]
  })
}
