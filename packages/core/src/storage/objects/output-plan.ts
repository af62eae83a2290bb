import type { IfExists } from '../storage.js'
import type { Gate } from './gate.js'
import type { ObjectPlace } from './object-url.js'

/** What an output to an object store is made for. */
export interface OutputPlan<Client> {
  readonly client: Client
  readonly url: string
  readonly place: ObjectPlace
  readonly ifExists: IfExists
  readonly signal: AbortSignal | undefined
  readonly partBytes: number
  /** Bounds the parts that are under way, of all outputs of the storage. */
  readonly gate: Gate
}
