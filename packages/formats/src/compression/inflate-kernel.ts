import { compiledKernel, PAGE, type WebAssemblyHost, type WebAssemblyMemory } from '../columnar/kernel-host.js'
import { code } from '../example/kernel/generated/inflate-kernel.js'

/** Packed bytes that are placed at once. A few hundred of them may be left over to the next time. */
const INPUT_BYTES = 64 * 1024
/** How far back deflate refers. */
const HISTORY_BYTES = 32 * 1024
/** What is inflated at a time: it stays in the second cache, and the history, which moves each time, is little of it. */
const OUTPUT_BYTES = 256 * 1024

/** Below it are the kernel's tables. */
const INPUT = PAGE
/** After the input come bytes that loads by 8 may touch. */
const OUTPUT = INPUT + INPUT_BYTES + 64
const OUTPUT_END = OUTPUT + HISTORY_BYTES + OUTPUT_BYTES
/** After the output comes the repetition that goes beyond it, and what copies by 32 touch. */
const MEMORY_BYTES = OUTPUT_END + 320

/** The longest piece that it gives. */
export const PIECE_BYTES = MEMORY_BYTES - OUTPUT

/** Why the kernel stopped: it wants more input, or the stream has ended. 1 stands for a piece that is full. */
export const MORE = 0
export const DONE = 2
/** What was wrong, in zlib's words; the first for 3. */
const FIRST_FAULT = 3
const faults = [
  'invalid block type', 'invalid stored block lengths', 'too many length or distance symbols', 'invalid code lengths set', 'invalid bit length repeat',
  'invalid code -- missing end-of-block', 'invalid literal/lengths set', 'invalid distances set', 'invalid literal/length code', 'invalid distance code',
  'invalid distance too far back',
]

interface InflateKernelExports {
  setUp(): void
  start(): void
  inflate(from: number, end: number, to: number, outEnd: number, begin: number): number
  inputAt(): number
  outputAt(): number
  adler32(from: number, end: number, previous: number): number
}

/**
 * The kernel of assembly/inflate-kernel.ts, for one stream of deflate at a time: 450 KiB of memory, which are all that it takes whatever the data says.
 */
export class InflateKernel {
  /** Packed bytes; those from `inputAt` to `inputEnd` are to be used. */
  readonly input: Uint8Array
  inputAt = 0
  inputEnd = 0
  private readonly kernel: InflateKernelExports
  private readonly all: Uint8Array
  // Addresses: of what was inflated last, and of the stream's own output, or what is left of it.
  private from = OUTPUT
  private to = OUTPUT
  private begin = OUTPUT

  constructor(host: WebAssemblyHost, module: object) {
    const pages = Math.ceil(MEMORY_BYTES / PAGE)
    const memory: WebAssemblyMemory = new host.Memory({ initial: pages, maximum: pages })
    this.kernel = new host.Instance(module, { env: { memory } }).exports as InflateKernelExports
    this.kernel.setUp()
    this.all = new Uint8Array(memory.buffer)
    this.input = this.all.subarray(INPUT, INPUT + INPUT_BYTES)
  }

  /** Forgets all that it was given. */
  clear(): void {
    this.inputAt = this.inputEnd = 0
    this.from = this.to = OUTPUT
    this.start()
  }

  /** Begins with another stream of deflate, at the input where it is. */
  start(): void {
    this.kernel.start()
    this.begin = this.to
  }

  /** Takes as much of `chunk[at..]` as there is room for. @returns how many bytes it took */
  take(chunk: Uint8Array, at: number): number {
    const { input } = this
    if (this.inputAt > 0) {
      input.copyWithin(0, this.inputAt, this.inputEnd)
      this.inputEnd -= this.inputAt
      this.inputAt = 0
    }
    const count = Math.min(input.length - this.inputEnd, chunk.length - at)
    input.set(chunk.subarray(at, at + count), this.inputEnd)
    this.inputEnd += count
    return count
  }

  /** Inflates until there is a piece of output, or the input or the stream ends. @returns {@link MORE}, 1, {@link DONE}, or a fault for {@link faultOf} */
  inflate(): number {
    if (this.to >= OUTPUT_END) this.slide()
    this.from = this.to
    const stop = this.kernel.inflate(INPUT + this.inputAt, INPUT + this.inputEnd, this.to, OUTPUT_END, this.begin)
    this.inputAt = this.kernel.inputAt() - INPUT
    this.to = this.kernel.outputAt()
    return stop
  }

  /** What the last call inflated: a view that holds until the next one. */
  get output(): Uint8Array {
    return this.all.subarray(this.from, this.to)
  }

  /** Adler-32 of {@link output}, gone on with from `previous`. */
  adler32(previous: number): number {
    return this.kernel.adler32(this.from, this.to, previous) >>> 0
  }

  private slide(): void {
    const { all, to } = this
    all.copyWithin(OUTPUT, to - HISTORY_BYTES, to)
    this.begin = Math.max(OUTPUT, this.begin - (to - HISTORY_BYTES - OUTPUT))
    this.to = OUTPUT + HISTORY_BYTES
  }
}

/** What was wrong where {@link InflateKernel.inflate} says a number that is none of the others; else `undefined`. */
export const faultOf = (stop: number): string | undefined => faults[stop - FIRST_FAULT]

/** Kernels that are kept for the next files: memory that was touched before is faster than fresh one. */
const MOST_KEPT = 4
const kept: InflateKernel[] = []

/** A kernel for one file; `undefined` where there is no WebAssembly with SIMD. */
export const takeInflateKernel = (): InflateKernel | undefined => {
  const idle = kept.pop()
  if (idle !== undefined) return idle
  const found = compiledKernel(code)
  return found === undefined ? undefined : new InflateKernel(found.host, found.module)
}

/** Gives a kernel back when its file is closed. */
export const keepInflateKernel = (kernel: InflateKernel): void => {
  if (kept.length < MOST_KEPT) kept.push(kernel)
}
