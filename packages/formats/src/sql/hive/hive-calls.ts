import { connectionLost, faultOf, HiveFault, hiveCodes } from './hive-fault.js'
import type { HiveTransport } from './transport/hive-transport.js'
import { badMessage } from './thrift-error.js'
import { decodeReply } from './thrift-reader.js'
import type { ThriftStruct } from './thrift-value.js'
import { encode, encodeCall, type ThriftEncoded } from './thrift-writer.js'

/** What names a session to the server. */
export type HiveHandle = ThriftEncoded

/** A statement that the server took. */
export interface HiveOperation {
  readonly handle: ThriftEncoded
  /** Whether it has rows, as far as the server knows; statements that have none do not describe them. */
  readonly hasResult: boolean
}

/** Results by columns came with the sixth, intervals with the eighth. @see TProtocolVersion of TCLIService.thrift */
const PROTOCOL_V8 = 7
const FIRST_COLUMNAR = 5

/** How far an operation is. @see TOperationState */
export type HiveState = 'running' | 'finished'

const RUNNING = new Set([0, 1, 7])
const FINISHED = 2
const CANCELED = 3
const TIMED_OUT = 8
const FETCH_NEXT = 0
const CLI_DBMS_NAME = 17

/** Both parts of an identifier, to be sent back as they came. */
const identifierOf = (handle: ThriftStruct): ThriftEncoded => {
  const identifier = handle.struct(1)
  return encode.struct({ 1: encode.string(identifier.bytes(1)), 2: encode.string(identifier.bytes(2)) })
}

const statusFault = (status: ThriftStruct): HiveFault | undefined => {
  const code = status.i32(1)
  if (code <= 2) return undefined
  // An invalid handle is one that the server forgot, as when it was started again.
  if (code === 4) return new HiveFault(hiveCodes.lost, status.optionalText(5) ?? 'the server does not know the session any more')
  return faultOf({ sqlState: status.optionalText(3), errorCode: status.optionalNumber(4), message: status.optionalText(5) })
}

/** The calls of HiveServer2 that a reader needs. @see TCLIService.thrift of Apache Hive */
export class HiveCalls {
  private sequence = 0
  private last: Promise<unknown> = Promise.resolve()
  private waiting = 0

  constructor(private readonly transport: HiveTransport) {}

  /** Whether a call waits for its answer. */
  get busy(): boolean {
    return this.waiting > 0
  }

  async openSession(user: string, password: string | undefined): Promise<HiveHandle> {
    const request = encode.struct({ 1: encode.i32(PROTOCOL_V8), 2: encode.string(user), 3: password === undefined ? undefined : encode.string(password) })
    const response = await this.call('OpenSession', request)
    if (response.i32(2) < FIRST_COLUMNAR) throw badMessage('the server is older than Hive 0.13')
    return encode.struct({ 1: identifierOf(response.struct(3)) })
  }

  /** The name of what answers: `Spark SQL`, `Apache Hive`. */
  async product(session: HiveHandle): Promise<string> {
    return (await this.call('GetInfo', encode.struct({ 1: session, 2: encode.i32(CLI_DBMS_NAME) }))).struct(2).optionalText(1) ?? ''
  }

  async execute(session: HiveHandle, sql: string): Promise<HiveOperation> {
    const response = await this.call('ExecuteStatement', encode.struct({ 1: session, 2: encode.string(sql), 4: encode.bool(true) }))
    const handle = response.struct(2)
    const hasResult = handle.isTrue(3)
    return { handle: encode.struct({ 1: identifierOf(handle), 2: encode.i32(handle.i32(2)), 3: encode.bool(hasResult) }), hasResult }
  }

  /** How far an operation is, and what the server says of its progress, from 0 to 1. @throws `HiveFault` for one that failed */
  async state({ handle, hasResult }: HiveOperation): Promise<{ readonly state: HiveState; readonly progress: number | undefined; readonly hasResult: boolean }> {
    const response = await this.call('GetOperationStatus', encode.struct({ 1: handle, 2: encode.bool(true) }))
    const state = response.i32(2)
    const progress = response.has(10) ? response.struct(10).optionalNumber(3) : undefined
    // Servers that compile a statement while it runs know it later than when they took it.
    const known = { progress, hasResult: response.has(9) ? response.isTrue(9) : hasResult }
    if (RUNNING.has(state)) return { state: 'running', ...known }
    if (state === FINISHED) return { state: 'finished', ...known }
    const told = state === CANCELED ? 'it was cancelled on the server' : state === TIMED_OUT ? 'it ran past the server\'s time limit' : undefined
    throw faultOf({ sqlState: response.optionalText(3), errorCode: response.optionalNumber(4), message: response.optionalText(5) ?? told })
  }

  async columns({ handle }: HiveOperation): Promise<readonly ThriftStruct[]> {
    return (await this.call('GetResultSetMetadata', encode.struct({ 1: handle }))).struct(2).structs(1)
  }

  /** The next rows of a result, at most as many as asked; a TRowSet. */
  async fetch({ handle }: HiveOperation, rows: number): Promise<ThriftStruct> {
    return (await this.call('FetchResults', encode.struct({ 1: handle, 2: encode.i32(FETCH_NEXT), 3: encode.i64(rows), 4: encode.i16(0) }))).struct(3)
  }

  async cancel({ handle }: HiveOperation): Promise<void> {
    await this.call('CancelOperation', encode.struct({ 1: handle }))
  }

  async closeOperation({ handle }: HiveOperation): Promise<void> {
    await this.call('CloseOperation', encode.struct({ 1: handle }))
  }

  async closeSession(session: HiveHandle): Promise<void> {
    await this.call('CloseSession', encode.struct({ 1: session }))
  }

  close(): void {
    this.transport.close()
  }

  /** One call after another. @throws `HiveFault` for what the server answers that it cannot */
  private async call(method: string, request: ThriftEncoded): Promise<ThriftStruct> {
    const before = this.last
    const sent = before.then(async () => {
      const sequence = ++this.sequence
      return decodeReply(await this.transport.send(encodeCall(method, sequence, request)), method, sequence)
    })
    // A connection on which one call failed has no next answer.
    this.last = sent.catch(() => Promise.reject(connectionLost()))
    this.last.catch(() => undefined)
    this.waiting++
    try {
      const response = await sent
      const fault = statusFault(response.struct(1))
      if (fault !== undefined) throw fault
      return response
    } finally {
      this.waiting--
    }
  }
}
