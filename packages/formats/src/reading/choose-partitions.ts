import type { ChoosePartition, Field, PartitionValues, Schema } from '@millrace/core'
import { conditionsOf, conditionTest, type Condition } from '../values/index.js'
import { inferredField, partitionColumn } from './partitions.js'

/** Conditions by column. */
type Conditions = { readonly [name: string]: Condition | undefined }

/** What chooses the folders to list, and what it saw. */
export interface PartitionChoice {
  readonly choose: ChoosePartition
  /** The values of all folders that were looked at, by key: those of folders that were left out say what type a key has, too. */
  readonly seen: ReadonlyMap<string, ReadonlySet<string | null>>
}

const boundsOf = (condition: Condition): readonly unknown[] => [...(condition.in ?? []), ...[condition.eq, condition.gt, condition.gte, condition.lt, condition.lte].filter((bound) => bound !== undefined)]

/** Whether a value of a folder is of the kind that a condition compares with, so that the other folders cannot change its meaning. */
const isAlike = ({ kind }: Field, condition: Condition): boolean => {
  const fits: (bound: unknown) => boolean =
    kind === 'date' ? (bound) => bound instanceof Date : kind === 'utf8' ? (bound) => typeof bound === 'string' : (bound) => typeof bound === 'number' || typeof bound === 'bigint'
  return boundsOf(condition).every(fits)
}

/** False where no file of the partition can satisfy the condition. */
const mayHold = (name: string, partition: PartitionValues, condition: Condition, schema: Schema | undefined): boolean => {
  const text = partition[name]!
  if (text === null) return false
  const known = schema !== undefined && Object.hasOwn(schema, name) ? schema[name]! : undefined
  const of = known ?? inferredField([text])
  if (known === undefined && !isAlike(of, condition)) return true
  try {
    return conditionTest(name, of, condition).holds(partitionColumn(name, of, text, '').get(0))
  } catch {
    // A value or a condition that makes no sense is told when the files are known.
    return true
  }
}

/** Chooses the partitions that can satisfy conditions by the names of their folders; `undefined` where there are no conditions. */
export const choosePartitions = (schema: Schema | undefined, where: readonly (Conditions | undefined)[]): PartitionChoice | undefined => {
  const conditions = where.flatMap((one) => conditionsOf(one ?? {}))
  if (conditions.length === 0) return undefined
  const seen = new Map<string, Set<string | null>>()
  const see = (partition: PartitionValues): void => {
    for (const [name, value] of Object.entries(partition)) {
      const known = seen.get(name)
      if (known === undefined) seen.set(name, new Set([value]))
      else known.add(value)
    }
  }
  return {
    seen,
    choose: (partition) => {
      see(partition)
      const told = conditions.filter(([name]) => Object.hasOwn(partition, name))
      if (told.some(([name, condition]) => !mayHold(name, partition, condition, schema))) return false
      return told.length === conditions.length ? true : undefined
    },
  }
}
