import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCountedCluster, type CountedCluster } from '../../bench/suites/wire-bytes-cluster.js'
import { measureWire } from '../../bench/suites/wire-bytes-steps.js'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const WIDTH = 16
const BATCH = 256

describePeer('bytes between a worker and two parameter servers', 'tensorflow', () => {
  let cluster: CountedCluster | undefined
  beforeAll(async () => {
    cluster = await startCountedCluster(2, peerLibrary())
  })
  afterAll(() => {
    cluster?.stop()
  })

  test.each(['div', 'mod'] as const)('follow the batch and not the table, whose first values do not travel: %s', async (layout) => {
    const [small, large] = [4_000, 400_000]
    const measure = (rows: number, batch: number) => measureWire(cluster!, { rows, width: WIDTH, batch, steps: 10, ids: small, layout })
    const [ofSmall, ofLarge, ofBatch] = [await measure(small, BATCH), await measure(large, BATCH), await measure(large + 1, BATCH * 4)]
    // Each row goes to the worker, its gradient back, its id twice; with room for what messages say of themselves.
    const due = BATCH * (2 * WIDTH * 4 + 2 * 4)
    expect(ofSmall.step).toBeGreaterThan(due * 0.8)
    expect(ofSmall.step).toBeLessThan(due * 1.5 + 10_000)
    expect(Math.abs(ofLarge.step / ofSmall.step - 1)).toBeLessThan(0.1)
    expect(ofBatch.step / ofLarge.step).toBeGreaterThan(2.5)
    expect(ofBatch.step / ofLarge.step).toBeLessThan(4.2)
    for (const { initialize } of [ofSmall, ofLarge]) expect(initialize).toBeLessThan(200_000)
  })
})
