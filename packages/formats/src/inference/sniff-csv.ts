import type { FileInfo } from '@millrace/core'
import { isBlankLine } from '../csv/csv-file.js'
import { resolveCsvOptions, type CsvOptions } from '../csv/csv-options.js'
import { CsvSplitter } from '../csv/csv-splitter.js'
import { skipLines } from '../csv/skip-lines.js'
import { openText } from '../reading/open-text.js'

const DELIMITERS = [',', '\t', ';', '|']
const SNIFFED_RECORDS = 50

/** The first records of a file, cut by one delimiter. */
const firstRecords = async (file: FileInfo, options: CsvOptions, delimiter: string, signal: AbortSignal | undefined): Promise<readonly (readonly string[])[]> => {
  const records: (readonly string[])[] = []
  const resolved = resolveCsvOptions({ ...options, delimiter })
  const text = await openText(file, { compression: options.compression, maxInflation: options.maxInflation, maxInflatedBytes: options.maxInflatedBytes, encoding: options.encoding, signal })
  let splitter: CsvSplitter | undefined
  try {
    const { start, line, chunks } = await skipLines(text, resolved, file.url)
    splitter = new CsvSplitter(resolved, file.url, start, line, {
      record: (fields, from, to) => void (isBlankLine(fields, from, to) || records.push(fields)),
      malformed: () => undefined,
    })
    for await (const chunk of chunks) {
      await splitter.push(chunk)
      if (records.length >= SNIFFED_RECORDS) return records.slice(0, SNIFFED_RECORDS)
    }
    await splitter.finish()
    return records
  } finally {
    splitter?.destroy()
    await text.close()
  }
}

/** How well a delimiter cuts: the share of records with as many fields as the first, and how many these are. */
const score = (records: readonly (readonly string[])[]): number => {
  const width = records[0]?.length ?? 0
  if (width < 2) return 0
  return records.filter((fields) => fields.length === width).length / records.length + Math.min(width, 1000) / 1e6
}

/** What the first records of files look like. */
export interface SniffedCsv {
  /** The first file that is not empty, or the first of all. */
  readonly file: FileInfo
  readonly delimiter: string
  /** Its first records, cut so. */
  readonly records: readonly (readonly string[])[]
}

const sniffFile = async (file: FileInfo, options: CsvOptions, signal: AbortSignal | undefined): Promise<SniffedCsv> => {
  let best: SniffedCsv | undefined
  for (const delimiter of options.delimiter === undefined ? DELIMITERS : [options.delimiter]) {
    const records = await firstRecords(file, options, delimiter, signal).catch(() => [])
    if (best === undefined || score(records) > score(best.records)) best = { file, delimiter, records }
  }
  return best!
}

/** Finds the delimiter by which records are alike, unless it is given. */
export const sniffCsv = async (files: readonly FileInfo[], options: CsvOptions, signal: AbortSignal | undefined): Promise<SniffedCsv> => {
  let first: SniffedCsv | undefined
  for (const file of files) {
    const sniffed = await sniffFile(file, options, signal)
    if (sniffed.records.length > 0) return sniffed
    first ??= sniffed
  }
  return first!
}
