/** Codes of the types in Thrift's binary protocol. @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md */
export const ThriftType = { stop: 0, bool: 2, byte: 3, double: 4, i16: 6, i32: 8, i64: 10, string: 11, struct: 12, map: 13, set: 14, list: 15 } as const

/** The first bytes of a message: the protocol's version, beside the kind of the message. */
export const THRIFT_VERSION = 0x8001_0000

/** Kinds of messages. */
export const ThriftMessage = { call: 1, reply: 2, exception: 3 } as const

/** The least bytes that a value of a type takes: what says how many values a message can hold. */
export const leastBytes: { readonly [type: number]: number } = { 2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8, 11: 4, 12: 1, 13: 6, 14: 5, 15: 5 }

/** Bytes of the types whose values are all of one size. */
export const fixedBytes: { readonly [type: number]: number } = { 2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8 }

/** Structures in structures: the messages of HiveServer2 have eight. */
export const MAX_DEPTH = 24
/** Structures, maps and lists of lists in one message: a result of ten thousand columns has fifty thousand. */
export const MAX_NODES = 200_000
/** HiveServer2 sends messages of 100 MiB at most unless told otherwise. */
export const MAX_MESSAGE_BYTES = 256 * 1024 * 1024
