import { failure, type MillraceError } from '@millrace/core'

/** The error for bytes that are no message of HiveServer2. */
export const badMessage = (problem: string, byte?: number): MillraceError =>
  failure({
    tag: 'Corrupt', code: 'HIVE_MESSAGE', problem: `the server's answer is no message of HiveServer2: ${problem}`,
    remedy: 'Check the port, and whether the server speaks binary or HTTP, with SASL or without (auth), with TLS or without.', position: { byte },
  })

/** The error for a message that is larger than any should be. */
export const tooLarge = (bytes: number, limit: number): MillraceError =>
  failure({
    tag: 'Limit', code: 'HIVE_MESSAGE_SIZE', problem: `the server's answer has ${bytes} bytes, and ${limit} are the most that are taken`,
    remedy: 'Where the rows are that wide, read fewer at once (batchRows); otherwise check the port, and whether the server speaks HTTP, TLS or no SASL.',
  })
