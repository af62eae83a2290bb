import { loadPeer } from '@millrace/core'

/** An address in memory that C manages. */
export type Address = bigint

/** `gss_buffer_desc`: bytes of ours that a call reads, or bytes that it made, at an address. */
export interface GssBuffer {
  length: number
  value: Uint8Array | Address | null
}

/** What a call changes: the first item. */
type Out<T> = [T]

type Call<A extends readonly unknown[]> = {
  (...args: A): number
  async(...args: [...A, (error: Error | null, status: number) => void]): void
}

/** The calls of GSSAPI that a client needs, each of which gives a status and, first, the mechanism's own. @see https://www.rfc-editor.org/rfc/rfc2744 */
export interface GssLibrary {
  readonly gss_import_name: Call<[minor: Out<number>, name: GssBuffer, type: GssBuffer, made: Out<Address | null>]>
  readonly gss_init_sec_context: Call<[
    minor: Out<number>, credentials: null, context: Out<Address | null>, target: Address, mechanism: GssBuffer, flags: number, seconds: number, bindings: null, input: GssBuffer, used: null, output: GssBuffer, given: null, left: null,
  ]>
  readonly gss_wrap: Call<[minor: Out<number>, context: Address, isPrivate: number, quality: number, input: GssBuffer, made: null, output: GssBuffer]>
  readonly gss_unwrap: Call<[minor: Out<number>, context: Address, input: GssBuffer, output: GssBuffer, isPrivate: Out<number>, quality: null]>
  readonly gss_display_status: Call<[minor: Out<number>, status: number, kind: number, mechanism: GssBuffer, more: Out<number>, output: GssBuffer]>
  readonly gss_release_buffer: Call<[minor: Out<number>, buffer: GssBuffer]>
  readonly gss_release_name: Call<[minor: Out<number>, name: Out<Address | null>]>
  readonly gss_delete_sec_context: Call<[minor: Out<number>, context: Out<Address | null>, token: null]>
  /** Copies bytes that a call made. */
  readonly memcpy: (to: Uint8Array, from: Address, length: number) => unknown
}

type Koffi = typeof import('koffi')

/** MIT Kerberos on Linux and FreeBSD. Apple's GSSAPI and Windows' SSPI differ. */
const LIBRARY = 'libgssapi_krb5.so.2'

/** Which arguments are what: `m` status of the mechanism, `b` a buffer to read, `o` one to fill, `i` an identifier, `p` an address, `P` one to fill, `u` a number, `U` one to fill. */
const calls: Readonly<Record<Exclude<keyof GssLibrary, 'memcpy'>, string>> = {
  gss_import_name: 'mbiP', gss_init_sec_context: 'mpPpiuupbpopp', gss_wrap: 'mpuubpo', gss_unwrap: 'mpboUp', gss_display_status: 'muuiUo',
  gss_release_buffer: 'mo', gss_release_name: 'mP', gss_delete_sec_context: 'mPp',
}

/** Absence is not kept: what is missing may be installed. */
let loaded: GssLibrary | undefined

const bind = (koffi: Koffi): GssLibrary => {
  const library = koffi.load(LIBRARY)
  const buffer = koffi.struct({ length: 'size_t', value: 'void *' })
  const identifier = koffi.struct({ length: 'uint32_t', value: 'void *' })
  const [number, address, taken, named] = ['uint32_t *', 'void **', buffer, identifier].map((type) => (typeof type === 'string' ? type : koffi.pointer(type)))
  const types: { readonly [letter: string]: Parameters<Koffi['out']>[0] } = {
    m: koffi.out(number!), b: taken!, o: koffi.inout(taken!), i: named!, p: 'void *', P: koffi.inout(address!), u: 'uint32_t', U: koffi.inout(number!),
  }
  const bound = Object.entries(calls).map(([name, letters]) => [name, library.func(name, 'uint32_t', [...letters].map((letter) => types[letter]!))])
  return { ...Object.fromEntries(bound), memcpy: library.func('void *memcpy(void *to, void *from, size_t length)') } as GssLibrary
}

/** The system's GSSAPI through the package `koffi`; `undefined` where one of them is not there, or does not load. */
export const loadGss = async (): Promise<GssLibrary | undefined> => {
  if (loaded !== undefined) return loaded
  try {
    const module: unknown = await loadPeer('koffi', 'Hive with Kerberos', () => import('koffi'))
    return (loaded = bind((module as { readonly default?: Koffi }).default ?? (module as Koffi)))
  } catch {
    return undefined
  }
}
