import { vi } from 'vitest'

/** How many HTTP requests a work makes. */
export const countRequests = async (work: () => Promise<unknown>): Promise<number> => {
  const spy = vi.spyOn(globalThis, 'fetch')
  try {
    await work()
    return spy.mock.calls.length
  } finally {
    spy.mockRestore()
  }
}
