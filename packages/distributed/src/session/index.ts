export { listServerDevices, remoteSession, resetServer } from './remote-session.js'
export type { RemoteSessionOptions, ResetOptions } from './remote-session.js'
export type { Session } from '@millrace/export'
