import { ColumnKernel, type KernelExports } from '../../columnar/column-kernel.js'
import type { KernelLayout } from '../../columnar/kernel-layout.js'
import { code } from '../../example/kernel/generated/csv-kernel.js'
import type { ResolvedCsvOptions } from '../csv-options.js'
import { byteDialect } from './split-record.js'

interface CsvKernelExports extends KernelExports {
  configure(
    fields: number, width: number, delimiter: number, quote: number, comment: number, flags: number, longest: number, longestField: number,
    tokens: number, tokenCount: number, tokenStarts: number, fives: number, tens: number, starts: number,
  ): void
  run(at: number, end: number, row: number, lastRow: number, strict: number): number
}

const TRIM = 1
const LF = 2
const CR = 4
const CRLF = 8

/** Which bytes null tokens begin with, and at 256 whether the empty text is one; the tokens stand after it. */
const TOKEN_STARTS = 257

const longTokens = ({ nullTokens }: ResolvedCsvOptions): readonly Uint8Array[] => [...nullTokens].filter((token) => token !== '').map((token) => Buffer.from(token))

const tokenTable = (options: ResolvedCsvOptions): Uint8Array => {
  const tokens = longTokens(options)
  const out = Buffer.alloc(tokens.reduce((sum, token) => sum + 4 + token.length, TOKEN_STARTS))
  if (options.nullTokens.has('')) out[256] = 1
  let at = TOKEN_STARTS
  for (const token of tokens) {
    out[token[0]!] = 1
    at = out.writeUInt32LE(token.length, at)
    out.set(token, at)
    at += token.length
  }
  return out
}

/** The kernel of assembly/csv-kernel.ts. */
export class CsvKernel extends ColumnKernel<CsvKernelExports> {
  constructor(private readonly options: ResolvedCsvOptions) {
    super({ code, batchRows: options.batchRows, table: tokenTable(options) })
  }

  /**
   * Reads records from `start` on into rows, at most up to row `lastRow`.
   *
   * @param strict - whether to stop before records that are not ASCII
   * @returns the offset of the record at which it stopped; `reason` says why
   */
  run(start: number, lastRow: number, strict: boolean): number {
    const { window } = this.layout
    return this.ran(this.kernel.run(window + start, window + this.size, this.rows, Math.min(lastRow, this.capacity), strict ? 1 : 0))
  }

  protected configure(layout: KernelLayout): void {
    const { options } = this
    const { delimiter, quote, comment, trim, lf, cr, crlf } = byteDialect(options)
    this.kernel.configure(
      layout.fields, this.width, delimiter, quote, comment?.[0] ?? 256, (trim ? TRIM : 0) | (lf ? LF : 0) | (cr ? CR : 0) | (crlf ? CRLF : 0),
      options.maxRecordBytes, Math.min(options.maxFieldLength, 0x7fffffff), layout.table + TOKEN_STARTS, longTokens(options).length, layout.table, layout.fives, layout.tens,
      layout.starts,
    )
  }
}
