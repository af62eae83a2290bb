import { subscribe, unsubscribe, type ChannelListener } from 'node:diagnostics_channel'

/** The requests of `fetch` on this thread. */
export interface OpenRequests {
  /** How many are neither answered to the last byte nor given up. */
  readonly count: () => number
  readonly close: () => void
}

/** Counts requests from now on, as Node tells of them (https://undici.nodejs.org/#/docs/api/DiagnosticsChannel). */
export const countOpenRequests = (): OpenRequests => {
  const open = new Set<unknown>()
  const begin: ChannelListener = (message) => void open.add((message as { readonly request: unknown }).request)
  const end: ChannelListener = (message) => void open.delete((message as { readonly request: unknown }).request)
  const listeners = { 'undici:request:create': begin, 'undici:request:trailers': end, 'undici:request:error': end }
  for (const [name, listener] of Object.entries(listeners)) subscribe(name, listener)
  return {
    count: () => open.size,
    close: () => {
      for (const [name, listener] of Object.entries(listeners)) unsubscribe(name, listener)
    },
  }
}
