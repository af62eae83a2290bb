import type { HostTensor } from '../../tensor/host-tensor.js'
import type { Address, Pointer, TensorFlowLibrary } from './bindings.js'
import { hold } from './held.js'
import { freeTensor, makeNativeTensor, readNativeTensor } from './native-tensor.js'

/** A step in the form in which C takes it. */
export interface Plan {
  readonly inputs: Uint8Array
  readonly outputs: Uint8Array
  readonly fetches: readonly string[]
  readonly targets: BigUint64Array
}

/** The tensors of one run of a step. Whoever makes one frees it, when the run has ended. */
export class StepCall {
  readonly #library: TensorFlowLibrary
  readonly #plan: Plan
  readonly #values: BigUint64Array
  readonly #results: BigUint64Array
  readonly #held: Address[] = []

  constructor(library: TensorFlowLibrary, plan: Plan, feeds: readonly HostTensor[]) {
    this.#library = library
    this.#plan = plan
    this.#values = new BigUint64Array(feeds.length)
    this.#results = new BigUint64Array(plan.fetches.length)
    try {
      feeds.forEach((tensor, index) => {
        const address = makeNativeTensor(library, tensor)
        this.#held.push(address)
        this.#values[index] = address
      })
    } catch (thrown) {
      this.free()
      throw thrown
    }
  }

  /** Of `TF_SessionRun`. */
  arguments(session: Address, options: Address, status: Address): [Address, Address, Pointer, Pointer, number, Pointer, Pointer, number, Pointer, number, null, Address] {
    const { inputs, outputs, targets } = this.#plan
    return [session, options, inputs, this.#values, this.#values.length, outputs, this.#results, this.#results.length, targets, targets.length, null, status]
  }

  /** Copies of what was fetched. */
  results(): readonly HostTensor[] {
    return this.#plan.fetches.map((name, index) => readNativeTensor(this.#library, this.#results[index]!, name))
  }

  free(): void {
    for (const address of this.#held) freeTensor(this.#library, address)
    for (const address of this.#results) if (address !== 0n) freeTensor(this.#library, hold('tensors', address))
  }
}
