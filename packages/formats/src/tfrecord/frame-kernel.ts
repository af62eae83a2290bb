import { compiledKernel, PAGE, type WebAssemblyHost, type WebAssemblyMemory } from '../columnar/kernel-host.js'
import { code } from '../example/kernel/generated/frame-kernel.js'
import { crcTable } from './crc32c.js'

/** Where the kernel looks for the tables of its checksums. */
const CRC_TABLE = 1024
/** Bytes of frames that are handed to it at once: they stay in the nearest caches, and where it stops early, little was copied in vain. */
const WINDOW_BYTES = 64 * 1024
/** Frames that fit in the window. */
const MOST_FRAMES = WINDOW_BYTES / 16
const WINDOW = CRC_TABLE + 16 * 1024
/** After the window come bytes that loads by 16 may touch. */
const ENDS = WINDOW + WINDOW_BYTES + 16
const MEMORY_BYTES = ENDS + 4 * MOST_FRAMES

/** Longest payload that is worth its while: native code is faster for longer ones. */
export const LONGEST_KERNEL_PAYLOAD = 2048

interface KernelExports {
  unframe(at: number, end: number, ends: number, most: number, budget: number, longest: number): number
  position(): number
}

/** The kernel of assembly/frame-kernel.ts: payloads of short frames, put together. What it gives is good until it is called again. */
class FrameKernel {
  /** Where payloads end in {@link payloads}. */
  readonly ends: Int32Array
  /** The payloads, one after another; what follows the last one means nothing. */
  readonly payloads: Uint8Array
  private readonly kernel: KernelExports

  constructor(host: WebAssemblyHost, module: object) {
    const pages = Math.ceil(MEMORY_BYTES / PAGE)
    const memory: WebAssemblyMemory = new host.Memory({ initial: pages, maximum: pages })
    this.kernel = new host.Instance(module, { env: { memory } }).exports as KernelExports
    new Int32Array(memory.buffer, CRC_TABLE, crcTable.length).set(crcTable)
    this.payloads = new Uint8Array(memory.buffer, WINDOW, WINDOW_BYTES)
    this.ends = new Int32Array(memory.buffer, ENDS, MOST_FRAMES)
  }

  /**
   * Takes frames from `chunk[start]` on.
   *
   * @param most - frames at most
   * @param budget - bytes of payloads after which it stops
   * @param longest - longest payload that it takes
   * @returns how many it took
   */
  unframe(chunk: Uint8Array, start: number, most: number, budget: number, longest: number): number {
    const size = Math.min(WINDOW_BYTES, chunk.length - start)
    this.payloads.set(chunk.subarray(start, start + size))
    return this.kernel.unframe(WINDOW, WINDOW + size, ENDS, most, budget, longest)
  }

  /** Bytes of the frames that it took. */
  get taken(): number {
    return this.kernel.position() - WINDOW
  }
}

let kept: FrameKernel | undefined

/** The kernel of this thread, for work that does not wait; `undefined` where there is no WebAssembly with SIMD. */
export const frameKernel = (): FrameKernel | undefined => {
  if (kept !== undefined) return kept
  const found = compiledKernel(code)
  return found === undefined ? undefined : (kept = new FrameKernel(found.host, found.module))
}
