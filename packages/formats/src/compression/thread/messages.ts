/** What the thread that reads says, for one stream. */
export type ToInflater =
  /** Packed bytes, whose memory comes back by `more`. */
  | { readonly type: 'chunk'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** There are no more packed bytes. */
  | { readonly type: 'end' }
  /** Memory for a piece. */
  | { readonly type: 'room'; readonly buffer: ArrayBuffer }

/** What the thread that inflates says. */
export type FromInflater =
  | { readonly type: 'piece'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** A chunk is used up. */
  | { readonly type: 'more'; readonly buffer: ArrayBuffer }
  /** The last: the data is over, or has been cut where it is not whole. */
  | { readonly type: 'over'; readonly isWhole: boolean; readonly used: number }
  /** The last, in zlib's words. */
  | { readonly type: 'fault'; readonly problem: string }
