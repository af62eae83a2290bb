import { failure, fromUnknown } from '@millrace/core'
import type { Session } from '@millrace/export'
import { sleep } from './sleep.js'

/** How long closing a session is waited for. */
const CLOSE_MS = 1_000

/** A server that hangs does not hold up those who want to go on. */
export const closeSoon = async (session: Session): Promise<void> => {
  const closed = new AbortController()
  const closing = session.close().catch(() => undefined).finally(() => closed.abort())
  await Promise.race([closing, sleep(CLOSE_MS, closed.signal).catch(() => undefined)])
}

/** The last fault, when the bounds of recovery are passed. */
export const givenUp = (task: string, reason: string, thrown: unknown): Error => {
  const { _tag: tag, code, position } = fromUnknown(thrown)
  return failure({
    tag, code, problem: `${task} was given up, since ${reason}; at last: ${noteOf(thrown).replace(/\.$/, '')}`,
    remedy: 'See to the servers and the network, and start the training again; `recovery` has the bounds.', position, cause: thrown,
  })
}

/** Where it happened, not what. */
const PLACE = /^(=+\s*$|([A-Z_]+: )?From \/job|\d+ root error|\s*\(\d+\) )/

/** TensorFlow says in the first line where it happened, and in the next one what; sometimes no more than a status. */
export const noteOf = (thrown: unknown): string => {
  const lines = fromUnknown(thrown).problem.split('\n')
  return lines.find((line) => !PLACE.test(line)) ?? lines.map((line) => /^([A-Z_]+): From /.exec(line)?.[1]).find((status) => status !== undefined) ?? lines[0] ?? ''
}
