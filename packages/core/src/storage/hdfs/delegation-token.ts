import { failure, type MillraceError } from '../../errors/index.js'

/** A delegation token of Hadoop: who holds it is the user it was made for. */
export interface DelegationToken {
  /** `WEBHDFS delegation`, `SWEBHDFS delegation`, `HDFS_DELEGATION_TOKEN`; others are for other services. */
  readonly kind: string
  /** What it was made out to: `127.0.0.1:9870`, `ha-hdfs:nameservice`. */
  readonly service: string
  /** As it goes into a request: base64 for URLs, without padding, of its Writable form. */
  readonly encoded: string
}

const corrupt = (): MillraceError =>
  failure({ tag: 'Corrupt', code: 'HADOOP_TOKEN_FILE', problem: 'this is no token file of Hadoop, or it was cut short', remedy: 'Fetch the token again: hdfs fetchdt.' })

/** Reads the two forms in which Hadoop keeps tokens. Every length is checked against what is left. */
class TokenBytes {
  private at = 0

  constructor(private readonly bytes: Buffer) {}

  get done(): boolean {
    return this.at >= this.bytes.length
  }

  byte(): number {
    if (this.done) throw corrupt()
    return this.bytes[this.at++]!
  }

  take(length: number): Buffer {
    if (!(length >= 0 && length <= this.bytes.length - this.at)) throw corrupt()
    return this.bytes.subarray(this.at, (this.at += length))
  }

  /** `WritableUtils.readVInt`: one byte, or its negated length and then the bytes. */
  vint(): number {
    const first = this.byte() << 24 >> 24
    if (first >= -112) return first
    const length = first < -120 ? -120 - first : -112 - first
    if (first < -120 || length > 4) throw corrupt()
    let value = 0
    for (const byte of this.take(length)) value = value * 256 + byte
    return value
  }

  /** A base-128 number of protobuf. */
  varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw corrupt()
  }

  writable(): Buffer {
    return this.take(this.vint())
  }

  /** The length-delimited fields of a protobuf message, by number; others are none of a token file's. */
  *fields(): Generator<readonly [number, Buffer]> {
    while (!this.done) {
      const key = this.varint()
      if ((key & 7) !== 2) throw corrupt()
      yield [key >>> 3, this.take(this.varint())]
    }
  }
}

const writeVint = (value: number): Buffer => {
  if (value <= 127) return Buffer.from([value])
  const bytes: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Buffer.from([256 - 112 - bytes.length, ...bytes])
}

const makeToken = (parts: readonly [identifier: Buffer, password: Buffer, kind: Buffer, service: Buffer]): DelegationToken => ({
  kind: parts[2].toString('utf8'),
  service: parts[3].toString('utf8'),
  encoded: Buffer.concat(parts.flatMap((part) => [writeVint(part.length), part])).toString('base64url'),
})

const fromWritable = (bytes: TokenBytes): readonly DelegationToken[] => {
  const found: DelegationToken[] = []
  for (let left = bytes.vint(); left > 0; left--) {
    bytes.writable()
    found.push(makeToken([bytes.writable(), bytes.writable(), bytes.writable(), bytes.writable()]))
  }
  return found
}

/** `CredentialsProto { repeated CredentialsKVProto tokens = 1 }`, with `{ alias = 1, TokenProto token = 2 }`. */
const fromProtobuf = (bytes: TokenBytes): readonly DelegationToken[] => {
  const message = new TokenBytes(bytes.take(bytes.varint()))
  return [...message.fields()].filter(([number]) => number === 1).map(([, entry]) => {
    const token = new Map(new TokenBytes(entry).fields()).get(2)
    if (token === undefined) throw corrupt()
    const fields = new Map(new TokenBytes(token).fields())
    const part = (number: number): Buffer => fields.get(number) ?? Buffer.alloc(0)
    return makeToken([part(1), part(2), part(3), part(4)])
  })
}

/**
 * The tokens in a file of Hadoop's `Credentials`, as `hdfs fetchdt` and YARN write it, in both of its forms.
 *
 * @throws `Corrupt` HADOOP_TOKEN_FILE, which shows nothing of the file
 */
export const decodeTokenFile = (file: Uint8Array): readonly DelegationToken[] => {
  const bytes = new TokenBytes(Buffer.from(file.buffer, file.byteOffset, file.length))
  if (bytes.take(4).toString('latin1') !== 'HDTS') throw corrupt()
  const form = bytes.byte()
  if (form === 0) return fromWritable(bytes)
  if (form === 1) return fromProtobuf(bytes)
  throw corrupt()
}

const webKinds = ['WEBHDFS delegation', 'SWEBHDFS delegation']
const hostOf = (service: string): string => service.replace(/:\d+$/, '')

/**
 * The token for one of these services, of which the caller names every form (host and address, name service); a token for another one
 * is never given away. One of Hadoop's own protocol is made out to another port of the same host, and serves as well.
 */
export const tokenFor = (tokens: readonly DelegationToken[], services: readonly string[]): DelegationToken | undefined =>
  tokens.find(({ kind, service }) => webKinds.includes(kind) && services.includes(service)) ??
  tokens.find(({ kind, service }) => kind === 'HDFS_DELEGATION_TOKEN' && (services.includes(service) || services.map(hostOf).includes(hostOf(service))))
