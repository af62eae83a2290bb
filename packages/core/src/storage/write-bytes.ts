import { withOutputSet, type OutputSetOptions } from './output-set.js'

const encoder = new TextEncoder()

/** Writes one file, which appears whole or not at all. */
export const writeBytes = (url: string, bytes: Uint8Array, options: OutputSetOptions = {}): Promise<void> =>
  withOutputSet([url], options, ([output]) => output!.write(bytes))

/** Writes one UTF-8 text file, which appears whole or not at all. */
export const writeText = (url: string, text: string, options: OutputSetOptions = {}): Promise<void> => writeBytes(url, encoder.encode(text), options)
