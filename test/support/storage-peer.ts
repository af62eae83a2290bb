import { registerStorage, type Storage } from '@millrace/core'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import { readersConformAt } from '../conformance/reading.js'
import { countOpenRequests, type OpenRequests } from './open-requests.js'

/** A server that the tests of a file ask, and the storages by which they ask it: with small parts, so that a test writes several. */
export interface StoragePeer {
  /** Begins a test file: starts the server. */
  readonly start: () => Promise<unknown>
  readonly stop: () => Promise<unknown>
  readonly storages: () => readonly Storage[]
  /** The environment in which the storages that are built in ask the same server. */
  readonly environment: () => Readonly<Record<string, string>>
}

/** What of {@link readersConformAt} differs from server to server. */
export type ReadersAt = Pick<Parameters<typeof readersConformAt>[0], 'scheme' | 'cuts' | 'silence' | 'put'>

/** Starts a server for the tests of a file, with its storages registered. */
export const useStoragePeer = ({ start, stop, storages, environment }: StoragePeer): { readonly readersConform: (at: ReadersAt) => void } => {
  const undo: (() => void)[] = []
  const register = (): void => {
    for (const storage of storages()) undo.push(registerStorage(storage))
  }
  const unregister = (): void => {
    for (const one of undo.splice(0)) one()
  }
  beforeAll(async () => {
    await start()
    register()
  })
  afterAll(async () => {
    unregister()
    await stop()
  })
  // As users have it: worker threads find the server in the environment, and ask it by themselves.
  const readersConform = (at: ReadersAt): void =>
    void describe('as it is built in', () => {
      let requests: OpenRequests
      beforeAll(() => {
        unregister()
        for (const [name, value] of Object.entries(environment())) vi.stubEnv(name, value)
        requests = countOpenRequests()
      })
      afterAll(() => {
        requests.close()
        vi.unstubAllEnvs()
        register()
      })
      readersConformAt({ ...at, held: () => requests.count(), knows: 'later' })
    })
  return { readersConform }
}
