import { ColumnKernel, type KernelExports } from '../../columnar/column-kernel.js'
import type { KernelLayout } from '../../columnar/kernel-layout.js'
import { code } from '../../example/kernel/generated/json-kernel.js'
import type { JsonFormat, ResolvedJsonOptions } from '../json-options.js'
import { packKeys, type KeyTree } from './key-table.js'

interface JsonKernelExports extends KernelExports {
  configure(
    columns: number, width: number, table: number, seen: number, lines: number, longest: number, longestText: number, depth: number, fives: number, tens: number,
    starts: number,
  ): void
  run(at: number, end: number, row: number, lastRow: number, strict: number): number
}

const MOST = 0x7fffffff
/** Room for a key with escapes, and for what the kernel writes beyond it. */
const SCRATCH_BYTES = 1024 + 64

/** The kernel of assembly/json-kernel.ts. */
export class JsonKernel extends ColumnKernel<JsonKernelExports> {
  private readonly seenAt: number
  private format: JsonFormat = 'lines'

  /** @param columns - how many columns the tree of keys leads to */
  constructor(tree: KeyTree, columns: number, private readonly options: ResolvedJsonOptions) {
    const behind = 4 * columns + SCRATCH_BYTES
    const table = packKeys(tree, behind)
    super({ code, batchRows: options.batchRows, table })
    this.seenAt = table.length - behind
  }

  /** Says how records stand in the text. */
  setFormat(format: JsonFormat): void {
    this.format = format
    this.configure(this.layout)
  }

  /**
   * Reads records from the end of one, at `start`, into rows, at most up to row `lastRow`.
   *
   * @param strict - whether to stop before records that are not ASCII
   * @returns the end of the last record that it read, or `start`; `reason` says why it stopped
   */
  run(start: number, lastRow: number, strict: boolean): number {
    const { window } = this.layout
    return this.ran(this.kernel.run(window + start, window + this.size, this.rows, Math.min(lastRow, this.capacity), strict ? 1 : 0))
  }

  protected configure({ fields, table, fives, tens, starts }: KernelLayout): void {
    const { maxRecordBytes, maxStringLength, maxDepth } = this.options
    const isLines = this.format === 'lines' ? 1 : 0
    this.kernel.configure(fields, this.width, table, table + this.seenAt, isLines, Math.min(maxRecordBytes, MOST), Math.min(maxStringLength, MOST), Math.min(maxDepth, MOST), fives, tens, starts)
  }
}
