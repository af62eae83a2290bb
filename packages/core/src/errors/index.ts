export { MillraceError, failure, isMillraceError, hasTag } from './millrace-error.js'
export type { ErrorDetails, ErrorPosition, ErrorTag } from './millrace-error.js'
export { fromUnknown, throwIfAborted } from './from-unknown.js'
export { loadPeer } from './missing-peer.js'
