import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { mysqlCursor, type ExecuteCommand } from './mysql-cursor.js'
import type { MysqlField } from './mysql-types.js'
import type { SqlCursor, SqlRows } from './sql-session.js'

interface Packet {
  readonly buffer: Uint8Array
  readonly offset: number
  readonly end: number
}

const fields: readonly MysqlField[] = [
  { name: 'id', columnType: 0x03, flags: 1, columnLength: 11, decimals: 0, characterSet: 63, encoding: 'binary' },
  { name: 't', columnType: 0xfd, flags: 0, columnLength: 40, decimals: 0, characterSet: 45, encoding: 'utf8' },
]

/** A row of the binary protocol. */
const packetOf = (id: number, text: string | null): Packet => {
  const bytes = Buffer.from(text ?? '')
  const row = Buffer.concat([Buffer.from([0, text === null ? 8 : 0, id, 0, 0, 0]), text === null ? Buffer.alloc(0) : Buffer.concat([Buffer.from([bytes.length]), bytes])])
  return { buffer: Buffer.concat([Buffer.from('head'), row]), offset: 4, end: 4 + row.length }
}

/** A command as the driver's, whose server sends what the test says. */
class Command extends EventEmitter {
  readonly sees: unknown[] = []
  private parser: { next(packet: unknown): unknown } | undefined

  buildParserFromFields(): new () => { next(packet: unknown): unknown } {
    const { sees } = this
    return class {
      next(packet: unknown): unknown {
        sees.push(packet)
        return [packet]
      }
    }
  }

  begin(of = fields): void {
    this.emit('fields', of)
    // As the driver calls it.
    const build = this.buildParserFromFields as (fields: readonly MysqlField[], connection: unknown) => new () => { next(packet: unknown): unknown }
    this.parser = new (build.call(this, of, undefined))()
  }

  send(packet: unknown): void {
    this.emit('result', this.parser!.next(packet))
  }
}

const open = async (batchRows = 100) => {
  const command = new Command()
  const connection = { paused: 0, resumed: 0, pause: () => void connection.paused++, resume: () => void connection.resumed++ }
  let breaks: (error: Error) => void = () => undefined
  const lost = new Promise<never>((_resolve, reject) => (breaks = reject))
  let ended = 0
  const opening = mysqlCursor(connection, command as unknown as ExecuteCommand, batchRows, { lost, ended: () => ended++ })
  command.begin()
  return { command, connection, cursor: await opening, breaks: (error: Error) => breaks(error), ended: () => ended }
}

/** Rows of the next piece. */
const nextRows = async (cursor: SqlCursor): Promise<SqlRows> => {
  const piece = await cursor.next()
  return 'rows' in piece ? piece.rows() : piece
}

describe('a cursor of MySQL', () => {
  it('takes rows as bytes, in pieces, to the end', async () => {
    const { command, cursor, ended } = await open(2)
    expect(cursor.columns.map(({ name }) => name)).toEqual(['id', 't'])
    for (const [id, text] of [[1, 'é'], [2, null], [3, '']] as const) command.send(packetOf(id, text))
    command.emit('end')
    expect([await nextRows(cursor), await nextRows(cursor), await nextRows(cursor)]).toEqual([[[1, 'é'], [2, null]], [[3, '']], []])
    expect(command.sees).toEqual([])
    expect(ended()).toBe(1)
  })

  it('leaves rows to the driver whose packets are others than we know', async () => {
    for (const strange of ['a row', { buffer: Buffer.from([1, 2, 3]), offset: 0, end: 3 }, { buffer: [0], offset: 0, end: 1 }, { buffer: Buffer.from([0]), offset: 0 }]) {
      const { command, cursor } = await open()
      command.send(strange)
      command.send(packetOf(1, 'x'))
      command.emit('end')
      expect(await cursor.next()).toEqual([[strange], [packetOf(1, 'x')]])
    }
  })

  it('tells a row that does not fit its columns', async () => {
    for (const bytes of [[0, 0, 1, 0, 0, 0, 5, 65], [0, 0, 1, 0], [0], [0, 0, 1, 0, 0, 0, 1, 65, 66], [0, 0, 1, 0, 0, 0, 254, 255, 255, 255, 255, 255, 255, 255, 255]]) {
      const { command, cursor } = await open()
      command.send({ buffer: Buffer.from(bytes), offset: 0, end: bytes.length })
      command.emit('end')
      await expect(cursor.next()).rejects.toMatchObject({ _tag: 'Corrupt', code: 'SQL_ROW' })
    }
  })

  it('holds the server up while its reader is behind', async () => {
    const { command, connection, cursor } = await open(1)
    command.send(packetOf(1, 'a'))
    expect(connection.paused).toBe(0)
    for (const id of [2, 3, 4]) command.send(packetOf(id, 'a'))
    expect(connection).toMatchObject({ paused: 1, resumed: 0 })
    for (const id of [1, 2, 3]) expect(await nextRows(cursor)).toEqual([[id, 'a']])
    expect(connection).toMatchObject({ paused: 1, resumed: 1 })
    expect(await nextRows(cursor)).toEqual([[4, 'a']])
  })

  it('gives what came before an error, of the server or of the connection, and then the error', async () => {
    const failed = await open()
    failed.command.send(packetOf(1, 'a'))
    failed.command.emit('error', new Error('the server gave up'))
    failed.command.emit('end')
    expect(await nextRows(failed.cursor)).toEqual([[1, 'a']])
    await expect(failed.cursor.next()).rejects.toThrow('the server gave up')
    expect(failed.ended()).toBe(1)
    const broken = await open()
    const waiting = broken.cursor.next()
    broken.breaks(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
  })
})
