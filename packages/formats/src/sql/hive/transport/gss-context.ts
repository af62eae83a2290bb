import { connectionLost } from '../hive-fault.js'
import { loadGss, type Address, type GssBuffer, type GssLibrary } from './gss-library.js'

/** A side of a negotiation with a service, which then protects messages. */
export interface GssContext {
  /** Whether both sides are known to each other. */
  readonly isComplete: boolean
  /** @param token - what the service said; empty at the beginning @returns what to answer, empty for nothing */
  step(token: Uint8Array): Promise<Uint8Array>
  /** @throws `GssError` for bytes that are not the service's, not whole, or not the next ones */
  unwrap(token: Uint8Array): Promise<{ readonly bytes: Uint8Array; readonly isPrivate: boolean }>
  /** @param isPrivate - whether others may not read the bytes; that they cannot change them is sure in any case */
  wrap(bytes: Uint8Array, isPrivate: boolean): Promise<Uint8Array>
  /** Frees it, after what is still at work. */
  close(): void
}

/** What the library says went wrong. */
export class GssError extends Error {}

/** `iso.member-body.us.mit.infosys.gssapi.krb5` and SPNEGO, in DER. */
const mechanisms = { kerberos: Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02), spnego: Uint8Array.of(0x2b, 0x06, 0x01, 0x05, 0x05, 0x02) } as const
/** `service@host`. */
const HOST_SERVICE = Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x04)

/** Both sides prove who they are, messages are in sequence, secret and unchanged where that is asked for. @see RFC 2744 */
const FLAGS = { mutual: 2, replay: 4, sequence: 8, confidentiality: 16, integrity: 32 } as const
const PROVEN = FLAGS.mutual | FLAGS.replay | FLAGS.sequence | FLAGS.confidentiality | FLAGS.integrity

const COMPLETE = 0
const CONTINUE_NEEDED = 1
/** `GSS_S_FAILURE`, without its place in a status. */
const FAILURE = 13

const bufferOf = (value: Uint8Array): GssBuffer => ({ length: value.length, value })

/** Memory that calls work on: what nothing refers to may be given to something else. */
const inUse = new Set<unknown>()

/** A call that may wait for the network, or work on megabytes: on a thread. */
const offLoop = <A extends readonly unknown[]>(call: { async(...args: [...A, (error: Error | null, status: number) => void]): void }, ...args: A): Promise<number> => {
  inUse.add(args)
  return new Promise<number>((resolve, reject) => call.async(...args, (error, status) => (error === null || error === undefined ? resolve(status) : reject(error)))).finally(() => inUse.delete(args))
}

/** A context in the system's library. */
class NativeContext implements GssContext {
  isComplete = false
  private readonly context: [Address | null] = [null]
  private working = false
  private closed = false
  private freed = false

  constructor(
    private readonly library: GssLibrary,
    private readonly target: Address,
    private readonly mechanism: GssBuffer,
  ) {}

  async step(token: Uint8Array): Promise<Uint8Array> {
    const { library, context, target, mechanism } = this
    const isFine = (status: number): boolean => {
      this.isComplete = status === COMPLETE
      return status === COMPLETE || status === CONTINUE_NEEDED
    }
    return this.work((minor, made) => offLoop(library.gss_init_sec_context, minor, null, context, target, mechanism, PROVEN, 0, null, bufferOf(token), null, made, null, null), isFine)
  }

  async unwrap(token: Uint8Array): Promise<{ readonly bytes: Uint8Array; readonly isPrivate: boolean }> {
    const isPrivate: [number] = [0]
    // Anything but plain success is a message that came twice, or not in its turn.
    const bytes = await this.work((minor, made) => offLoop(this.library.gss_unwrap, minor, this.context[0]!, bufferOf(token), made, isPrivate, null))
    return { bytes, isPrivate: isPrivate[0] !== 0 }
  }

  async wrap(bytes: Uint8Array, isPrivate: boolean): Promise<Uint8Array> {
    return this.work((minor, made) => offLoop(this.library.gss_wrap, minor, this.context[0]!, isPrivate ? 1 : 0, 0, bufferOf(bytes), null, made))
  }

  close(): void {
    this.closed = true
    if (!this.working) this.free()
  }

  /** One call, which must not run beside another; what it made is copied, and freed. */
  private async work(call: (minor: [number], made: GssBuffer) => Promise<number>, isFine = (status: number): boolean => status === COMPLETE): Promise<Uint8Array> {
    if (this.closed) throw connectionLost()
    const minor: [number] = [0]
    const made: GssBuffer = { length: 0, value: null }
    this.working = true
    try {
      const status = await call(minor, made)
      if (!isFine(status)) throw new GssError(this.reason(status, minor[0]))
      return this.taken(made)
    } finally {
      this.library.gss_release_buffer([0], made)
      this.working = false
      if (this.closed) this.free()
    }
  }

  private taken({ length, value }: GssBuffer): Uint8Array {
    const bytes = new Uint8Array(length)
    if (length > 0) this.library.memcpy(bytes, value as Address, length)
    return bytes
  }

  /** In the words of GSSAPI, or of Kerberos where it says only that something failed. */
  private reason(status: number, minor: number): string {
    const made: GssBuffer = { length: 0, value: null }
    const isOfKerberos = status >>> 16 === FAILURE
    this.library.gss_display_status([0], isOfKerberos ? minor : status, isOfKerberos ? 2 : 1, this.mechanism, [0], made)
    const text = Buffer.from(this.taken(made)).toString('utf8')
    this.library.gss_release_buffer([0], made)
    return text === '' ? `status ${status}` : text
  }

  private free(): void {
    if (this.freed) return
    this.freed = true
    if (this.context[0] !== null) this.library.gss_delete_sec_context([0], this.context, null)
    this.library.gss_release_name([0], [this.target])
  }
}

/**
 * Begins a negotiation with a service (`hive@host`) in the system's GSSAPI; `undefined` where that, or the package `koffi`, is not there.
 *
 * @throws `GssError` for what is no name of a service
 */
export const openGss = async (service: string, mechanism: keyof typeof mechanisms): Promise<GssContext | undefined> => {
  const library = await loadGss()
  if (library === undefined) return undefined
  const name: [Address | null] = [null]
  const status = library.gss_import_name([0], bufferOf(Buffer.from(service)), bufferOf(HOST_SERVICE), name)
  if (status !== COMPLETE || name[0] === null) throw new GssError(`${service} is no name of a service`)
  return new NativeContext(library, name[0], bufferOf(mechanisms[mechanism]))
}
