import { EventEmitter } from 'node:events'
import type { Client } from 'pg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { indexPostgresRows } from './postgres-cells.js'
import { PostgresTap, streamOf, type TappedStream } from './postgres-tap.js'

const message = (code: string, body: Uint8Array): Buffer => {
  const head = Buffer.alloc(5)
  head.write(code)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** A socket with a driver, which notes what it is given. */
const wired = () => {
  const stream = new EventEmitter() as EventEmitter & TappedStream
  const state = { resumed: 0, driver: [] as Buffer[] }
  Object.assign(stream, { pause: () => undefined, resume: () => void state.resumed++, write: () => true })
  stream.on('data', (chunk: Buffer) => void state.driver.push(Buffer.from(chunk)))
  return { stream, state }
}

const chunked = (bytes: Buffer, cuts: readonly number[]): readonly Buffer[] => {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

describe('between the socket and the driver', () => {
  it('rows are taken, and all else goes on to the driver, however the bytes come', () => {
    const messages = fc.array(fc.tuple(fc.constantFrom('D', 'D', 'D', 'C', 'Z', 'N', 'T'), fc.uint8Array({ maxLength: 12 })), { maxLength: 12 })
    fc.assert(fc.property(messages, fc.array(fc.nat(), { maxLength: 30 }), (sent, cuts) => {
      const { stream, state } = wired()
      const tap = new PostgresTap(stream)
      const rows: Buffer[] = []
      tap.onRow = (bytes, start, end) => void rows.push(Buffer.from(bytes.subarray(start, end)))
      for (const chunk of chunked(Buffer.concat(sent.map(([code, body]) => message(code, body))), cuts)) stream.emit('data', chunk)
      expect(rows).toEqual(sent.filter(([code]) => code === 'D').map(([, body]) => Buffer.from(body)))
      expect(Buffer.concat(state.driver)).toEqual(Buffer.concat(sent.filter(([code]) => code !== 'D').map(([code, body]) => message(code, body))))
    }))
  })

  it('all goes to the driver while rows are not asked for, and when the socket is given back, half a message too', () => {
    const { stream, state } = wired()
    const tap = new PostgresTap(stream)
    const row = message('D', Buffer.from('row'))
    stream.emit('data', row)
    expect(Buffer.concat(state.driver)).toEqual(row)
    tap.onRow = () => undefined
    stream.emit('data', row.subarray(0, 6))
    tap.release()
    stream.emit('data', row.subarray(6))
    expect(Buffer.concat(state.driver)).toEqual(Buffer.concat([row, row]))
    expect([stream.listeners('data').length, state.resumed]).toEqual([1, 1])
  })

  it('a message whose length is none is the driver\'s', () => {
    const { stream, state } = wired()
    const tap = new PostgresTap(stream)
    tap.onRow = () => undefined
    stream.emit('data', Buffer.from([90, 0, 0, 0, 0, 90, 0, 0, 0, 4]))
    expect(Buffer.concat(state.driver)).toHaveLength(10)
  })

  it('a client without a socket of that kind is left alone', () => {
    for (const connection of [undefined, {}, { stream: {} }, { stream: new EventEmitter() }]) expect(streamOf({ connection } as unknown as Client)).toBeUndefined()
    const { stream } = wired()
    expect(streamOf({ connection: { stream } } as unknown as Client)).toBe(stream)
    stream.removeAllListeners()
    expect(streamOf({ connection: { stream } } as unknown as Client)).toBeUndefined()
  })
})

it('a row that does not fit its columns is told', () => {
  const rowsOf = (...bytes: readonly number[]) => ({ bytes: Uint8Array.from(bytes), starts: new Int32Array(1), ends: Int32Array.of(bytes.length) })
  expect(indexPostgresRows(rowsOf(0, 2, 0, 0, 0, 1, 65, 255, 255, 255, 255), 2)).toMatchObject({ starts: Int32Array.of(6, -1), length: 1 })
  for (const bytes of [[0, 1], [0, 1, 0, 0, 0, 2, 65], [0, 1, 0, 0, 0, 1, 65, 66], [0, 1, 127, 255, 255, 255]]) {
    expect(() => indexPostgresRows(rowsOf(...bytes), 1)).toThrow(expect.objectContaining({ _tag: 'Corrupt', code: 'SQL_ROW' }) as Error)
  }
})
