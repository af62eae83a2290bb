import { describe, test } from 'vitest'
import { peerLacks } from './python.js'

export { runPython } from './python.js'

/** True where a peer that is missing is a failure: in continuous integration. */
export const peersRequired = (): boolean => process.env['MILLRACE_REQUIRE_PEERS'] === '1'

/** In a test for which this machine lacks something: skips it, saying why; where peers are required, it fails. */
export const skipOrFail = (skip: (note: string) => never, lacks: string): never => {
  if (peersRequired()) throw new Error(lacks)
  return skip(lacks)
}

/**
 * A `describe` whose tests need something that this machine may lack. Where it does, the group is skipped with the reason in its title, and
 * its body is not run; with `MILLRACE_REQUIRE_PEERS=1` it is a failing test instead.
 *
 * @param lacks - what is missing, and how to get it; `undefined` where nothing is
 */
export const describeUnless = (lacks: string | undefined, name: string, body: () => void): void => {
  if (lacks === undefined) describe(name, body)
  else if (!peersRequired()) test.skip(`${name} [skipped: ${lacks}]`)
  else {
    test(name, () => {
      throw new Error(lacks)
    })
  }
}

/** A Python module that a peer test compares with. */
export type PeerModule = 'tensorflow' | 'keras' | 'numpy' | 'pyarrow' | 'google.protobuf'

/** A `describe` whose tests compare us with a real peer, see {@link describeUnless}. */
export const describePeer = (name: string, needs: PeerModule, body: () => void): void => describeUnless(peerLacks(needs), name, body)
