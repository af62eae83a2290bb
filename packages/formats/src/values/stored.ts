/** Typed arrays of stored numbers. */
export type Numbers = Int8Array | Int16Array | Uint8Array | Uint16Array | Int32Array | BigInt64Array | Float32Array | Float64Array

/** Values as they are stored, one after another; where slots are null, 0 or nothing. */
export type Stored =
  | { readonly is: 'bits'; readonly length: number; readonly values: Uint8Array }
  | { readonly is: 'numbers'; readonly length: number; readonly values: Numbers }
  | { readonly is: 'bytes'; readonly length: number; readonly offsets: Int32Array; readonly bytes: Uint8Array }
  /** 128-bit integers, two words each, the low one first. */
  | { readonly is: 'words'; readonly length: number; readonly words: BigInt64Array }

/** Slots of a column as a format stores them. */
export interface StoredSlots {
  /** Number of slots: rows, or items of the innermost lists. */
  readonly slots: number
  /** The value of each slot; where `indices` are given, the values that they point to. */
  readonly stored: Stored
  /** Arrow validity bitmap of the slots; absent when none is null. */
  readonly validity: Uint8Array | undefined
  /** Index of each slot into `stored`, within it. */
  readonly indices: Int32Array | undefined
}
