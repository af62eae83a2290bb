import { failure } from '@millrace/core'
import { crc32c, unmaskCrc32c } from '@millrace/formats'

/** `tsl/lib/io/format.h`: two block handles padded to 40 bytes, then the magic number. */
const FOOTER_BYTES = 48
const MAGIC_LOW = 0x8b80fb57
const MAGIC_HIGH = 0xdb477524
/** A type byte and the masked CRC of block and type. */
const TRAILER_BYTES = 5

/** Names of tensors are paths of layers. Prefixes that keys share cost nothing in the file, and each key its length here. */
const MAX_KEY_BYTES = 64 * 2 ** 10
const MAX_KEYS_BYTES = 2 ** 28

/** One entry of a sorted table. Keys and values are views of the file's bytes where they can be. */
export interface TableEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

const corrupt = (problem: string, source: string, byte?: number): Error =>
  failure({ tag: 'Corrupt', code: 'CHECKPOINT_INDEX', problem, remedy: 'Copy the checkpoint again, index and data files together.', position: { source, byte } })

/** A varint at `at`: its value and the byte after it. */
const readVarint = (bytes: Uint8Array, at: number, source: string): readonly [value: number, next: number] => {
  let value = 0
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) break
    value += (byte & 127) * 2 ** (7 * i)
    if (byte < 128) return [value, at + i + 1]
  }
  throw corrupt('a length in the index is cut short or too large', source, at)
}

interface BlockHandle {
  readonly offset: number
  readonly size: number
}

const readHandle = (bytes: Uint8Array, at: number, source: string): readonly [BlockHandle, number] => {
  const [offset, middle] = readVarint(bytes, at, source)
  const [size, next] = readVarint(bytes, middle, source)
  return [{ offset, size }, next]
}

/** The block's contents, checked against its CRC. */
const readBlock = (file: Uint8Array, { offset, size }: BlockHandle, source: string): Uint8Array => {
  if (offset + size + TRAILER_BYTES > file.length - FOOTER_BYTES) throw corrupt('a block of the index lies outside the file', source, offset)
  const type = file[offset + size]!
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (unmaskCrc32c(view.getUint32(offset + size + 1, true)) !== crc32c(file, offset, offset + size + 1)) {
    throw corrupt('the checksum of a block of the index does not match', source, offset)
  }
  if (type !== 0) {
    throw failure({
      tag: 'Corrupt',
      code: 'CHECKPOINT_COMPRESSED',
      problem: `a block of the index is compressed (type ${type}), which TensorFlow's checkpoints never are`,
      position: { source, byte: offset },
    })
  }
  return file.subarray(offset, offset + size)
}

const tooLarge = (problem: string, source: string): Error =>
  failure({ tag: 'Limit', code: 'CHECKPOINT_KEYS', problem, remedy: 'Do not read it: no checkpoint has such names.', position: { source } })

/** The entries of a block: each key shares a prefix with the one before it. */
function* blockEntries(block: Uint8Array, base: number, source: string): Generator<TableEntry> {
  if (block.length < 4) throw corrupt('a block of the index is too short', source, base)
  const restarts = new DataView(block.buffer, block.byteOffset, block.byteLength).getUint32(block.length - 4, true)
  const end = block.length - 4 - restarts * 4
  if (end < 0) throw corrupt('a block of the index counts more restarts than it holds', source, base)
  let key = new Uint8Array()
  for (let at = 0; at < end;) {
    const [shared, afterShared] = readVarint(block, at, source)
    const [unshared, afterUnshared] = readVarint(block, afterShared, source)
    const [valueLength, start] = readVarint(block, afterUnshared, source)
    if (shared > key.length || start + unshared + valueLength > end) throw corrupt('an entry of the index does not fit its block', source, base + at)
    if (shared + unshared > MAX_KEY_BYTES) throw tooLarge(`a name in the index has ${shared + unshared} bytes, and at most ${MAX_KEY_BYTES} are taken`, source)
    const next = new Uint8Array(shared + unshared)
    next.set(key.subarray(0, shared))
    next.set(block.subarray(start, start + unshared), shared)
    key = next
    at = start + unshared + valueLength
    yield { key, value: block.subarray(start + unshared, at) }
  }
}

/**
 * The entries of a table file in TensorFlow's dialect of LevelDB's format (`tsl/lib/io/table.cc`), in the order of their keys.
 * Every block's checksum is verified, and that keys ascend: so no block comes twice.
 *
 * @throws `Corrupt`; `Limit` for keys that are longer than names are, one or all together
 */
export function* readTable(file: Uint8Array, source: string): Generator<TableEntry> {
  if (file.length < FOOTER_BYTES) throw corrupt(`the file has ${file.length} bytes, too few for the index of a checkpoint`, source)
  const footer = file.length - FOOTER_BYTES
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (view.getUint32(footer + 40, true) !== MAGIC_LOW || view.getUint32(footer + 44, true) !== MAGIC_HIGH) {
    throw corrupt('the file does not end as the index of a checkpoint does', source, footer + 40)
  }
  const [, afterMeta] = readHandle(file, footer, source)
  const [index] = readHandle(file, afterMeta, source)
  let last: Uint8Array | undefined
  let keysBytes = 0
  for (const { value } of blockEntries(readBlock(file, index, source), index.offset, source)) {
    const [handle] = readHandle(value, 0, source)
    for (const entry of blockEntries(readBlock(file, handle, source), handle.offset, source)) {
      if (last !== undefined && Buffer.compare(last, entry.key) >= 0) throw corrupt('the keys of the index do not ascend', source, handle.offset)
      last = entry.key
      keysBytes += last.length
      if (keysBytes > MAX_KEYS_BYTES) throw tooLarge(`the names in the index have more than ${MAX_KEYS_BYTES} bytes together`, source)
      yield entry
    }
  }
}
