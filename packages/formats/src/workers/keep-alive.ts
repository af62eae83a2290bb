/** The longest that a timer of Node may take. */
const LONGEST_MS = 2 ** 31 - 1

let waits = 0
let timer: NodeJS.Timeout | undefined

/** Keeps the process alive until the promise settles: threads that are at work for a reading do not do so by themselves, since they live on after it. */
export const keptAlive = async <A>(promise: Promise<A>): Promise<A> => {
  timer ??= setInterval(() => undefined, LONGEST_MS)
  if (waits++ === 0) timer.ref()
  try {
    return await promise
  } finally {
    if (--waits === 0) timer.unref()
  }
}
