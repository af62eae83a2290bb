import { crc32 } from 'node:zlib'

/**
 * What must agree before anything is timed: the rows, and of each column a checksum of its values' bytes; of texts and bytes a
 * second one of their lengths, so that values cannot run into each other unseen.
 */
export interface Digest {
  readonly rows: number
  readonly columns: { readonly [column: string]: string }
}

/** Sums columns up as they come, batch after batch. */
export class Digester {
  rows = 0
  private readonly sums = new Map<string, [number, number]>()

  /** The values of numbers. */
  add(column: string, values: ArrayBufferView): void {
    const [bytes, lengths] = this.sums.get(column) ?? [0, 0]
    this.sums.set(column, [crc32(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), bytes), lengths])
  }

  /** Byte strings: their bytes one after another, and their lengths. */
  addStrings(column: string, bytes: Uint8Array, lengths: Int32Array): void {
    this.add(column, bytes)
    const [sum, before] = this.sums.get(column)!
    this.sums.set(column, [sum, crc32(new Uint8Array(lengths.buffer, lengths.byteOffset, lengths.byteLength), before)])
  }

  digest(): Digest {
    return { rows: this.rows, columns: Object.fromEntries([...this.sums].map(([name, [bytes, lengths]]) => [name, `${bytes}/${lengths}`])) }
  }
}

/** @throws naming the columns on which two contenders disagree */
export const requireAgreement = (name: string, ours: Digest, peerName: string, peer: Digest): void => {
  if (ours.rows !== peer.rows) throw new Error(`${name}: we see ${ours.rows} rows, ${peerName} ${peer.rows}`)
  const columns = new Set([...Object.keys(ours.columns), ...Object.keys(peer.columns)])
  const wrong = [...columns].filter((column) => ours.columns[column] !== peer.columns[column])
  if (wrong.length > 0) throw new Error(`${name}: we and ${peerName} disagree on ${wrong.map((column) => `${column} (${ours.columns[column]}, ${peer.columns[column]})`).join(', ')}`)
}
