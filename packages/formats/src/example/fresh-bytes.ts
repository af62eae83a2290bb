/** From this size on, memory that is not cleared first is worth a call of Node's, and giving a buffer away worth a new one. */
export const MANY_BYTES = 64 * 1024
/** A little less than glibc's `DEFAULT_MMAP_THRESHOLD_MAX` of 32 MiB. */
const LARGE_BLOCK = 31 * 1024 * 1024
let isKept = false

/**
 * Lets freed memory be kept for what is allocated next. glibc returns it to the system when there is more than twice the largest block that was
 * ever mapped and freed (mallopt(3), `M_MMAP_THRESHOLD`), and what it takes anew costs a page fault each 4 KiB. A large block that is freed
 * untouched raises that to 62 MiB: batches of images then come with next to no faults, where there were a hundred a megabyte. Other allocators
 * see a block that costs nothing.
 */
const keepFreedMemory = (): void => {
  if (isKept) return
  isKept = true
  new ArrayBuffer(LARGE_BLOCK)
}

/** New memory, which holds anything where it is large: to be written over whole before it is handed out. */
export const freshBytes = (size: number): Uint8Array => {
  if (size < MANY_BYTES) return new Uint8Array(size)
  keepFreedMemory()
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
}
