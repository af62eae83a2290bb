import { modRows, type LoweredVariable, type VariableSlice } from '@millrace/export'

/** A variable's name in checkpoints: that of the whole which it is a part of. */
export const savedName = ({ weight, slice }: LoweredVariable): string => slice?.name ?? weight.name

/** Rows of a tensor, all columns, as `shape_and_slices` of SaveV2 and RestoreV2 take them. */
export const rowsSpec = (shape: readonly number[], start: number, count: number): string =>
  `${shape.join(' ')} ${[`${start},${count}`, ...shape.slice(1).map(() => '-')].join(':')}`

/** What `shape_and_slices` says of a variable: which box of the whole it is (`SaveSliceInfo.spec` of TensorFlow), nothing of one that is whole. */
export const sliceSpec = ({ slice }: LoweredVariable): string =>
  slice === undefined ? '' : `${slice.shape.join(' ')} ${slice.start.map((start, axis) => `${start},${slice.size[axis] as number}`).join(':')}`

/** How many parts ids were dealt out to; 1 where rows lie in their order. */
export const modParts = (slice: VariableSlice | undefined): number => (slice?.layout === 'mod' ? slice.parts : 1)

/** The number of rows of each part of a table: what marks its layout in a checkpoint. */
export const rowsOfParts = ({ shape, parts }: VariableSlice): bigint[] =>
  Array.from({ length: parts }, (_, part) => BigInt(modRows(shape[0] as number, part, parts)))
