import { describe, expect, test, vi } from 'vitest'
import { resolveHive } from '../hive-server.js'
import type { Negotiation } from './begin-kerberos.js'
import { GssError, type GssContext } from './gss-context.js'
import { negotiateKerberos, Sasl, type SaslExchange, type SaslLayer } from './kerberos-sasl.js'

let protects = true
const closed = vi.fn()

/** A context that turns every byte, and marks what is private. */
const turned = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => ~byte)
const context: GssContext = {
  isComplete: true,
  step: () => Promise.resolve(new Uint8Array(0)),
  wrap: (bytes, isPrivate) => Promise.resolve(Buffer.concat([Buffer.of(isPrivate ? 1 : 0), turned(bytes)])),
  unwrap: (token) => (token.length === 0 || token[0]! > 1 ? Promise.reject(new GssError('A token was invalid')) : Promise.resolve({ bytes: turned(token.subarray(1)), isPrivate: token[0] === 1 })),
  close: closed,
}

vi.mock('./begin-kerberos.js', () => ({ beginNegotiation: (): Promise<Negotiation> => Promise.resolve({ context, token: Buffer.from('ticket'), protects }) }))

const server = resolveHive('hive://gateway:10000/?auth=kerberos')

/** Negotiates with a server that offers these bytes. */
const negotiated = async (offer: readonly number[], last: number = Sasl.complete): Promise<{ readonly layer: SaslLayer | undefined; readonly chosen: Uint8Array }> => {
  const said: Uint8Array[] = []
  const answers = [{ status: Sasl.ok as number, payload: Buffer.concat([Buffer.of(0), turned(Uint8Array.from(offer))]) }, { status: last, payload: Buffer.alloc(0) }]
  const exchange: SaslExchange = { say: (_status, payload) => void said.push(payload), hear: () => Promise.resolve(answers.shift()!) }
  const layer = await negotiateKerberos(server, exchange)
  return { layer, chosen: Uint8Array.from(turned(said[2]!.subarray(1))) }
}

describe('the layer of messages', () => {
  test('is none where the server offers that, and otherwise the one that protects most', async () => {
    expect(await negotiated([7, 1, 0, 0])).toEqual({ layer: undefined, chosen: Uint8Array.of(1, 0, 0, 0) })
    expect(closed).toHaveBeenCalledTimes(1)
    for (const [offered, choice] of [[6, 4], [4, 4], [2, 2]] as const) {
      const { layer, chosen } = await negotiated([offered, 1, 0, 0])
      expect([...chosen]).toEqual([choice, 255, 255, 255])
      const wrapped = await layer!.wrap(Buffer.from('hello'))
      expect(wrapped[0]).toBe(choice === 4 ? 1 : 0)
      expect(Buffer.from(await layer!.unwrap(wrapped)).toString()).toBe('hello')
      expect(layer!.frameBytes).toBeLessThan(65_536)
    }
    expect(closed).toHaveBeenCalledTimes(1)
  })

  test('that no server should offer is an error, and so is one that nothing here speaks', async () => {
    closed.mockClear()
    for (const offer of [[], [4], [4, 1, 0, 0, 0], [0, 1, 0, 0], [8, 1, 0, 0], [4, 0, 0, 9]]) await expect(negotiated(offer), String(offer)).rejects.toMatchObject({ _tag: 'Corrupt', code: 'HIVE_MESSAGE' })
    await expect(negotiated([1, 0, 0, 0], Sasl.bad)).rejects.toMatchObject({ code: '28000' })
    protects = false
    await expect(negotiated([6, 1, 0, 0])).rejects.toMatchObject({ _tag: 'Usage', code: 'HIVE_QOP' })
    expect(await negotiated([1, 0, 0, 0])).toMatchObject({ layer: undefined })
    protects = true
    expect(closed).toHaveBeenCalledTimes(9)
  })

  test('refuses messages that are not protected as was agreed', async () => {
    const { layer } = await negotiated([4, 1, 0, 0])
    for (const frame of [[], [5, 1, 2], [0, 1, 2]]) await expect(layer!.unwrap(Uint8Array.from(frame)), String(frame)).rejects.toMatchObject({ _tag: 'Corrupt', code: 'HIVE_MESSAGE' })
    const { layer: integrity } = await negotiated([2, 1, 0, 0])
    expect(await integrity!.unwrap(Uint8Array.of(0, 255))).toEqual(Uint8Array.of(0))
  })
})
