import type { tensorflow } from '../../proto/index.js'
import { decodeGraph, GraphInputs, inputsOf } from '../graph-inputs.js'
import { statusFailure } from '../status.js'
import { splitName } from '../tensor-name.js'
import { offLoop, type Address, type OutputStruct, type TensorFlowLibrary } from './bindings.js'
import { drop, hold, withBuffer, withStatusAsync } from './held.js'

const NOT_FOUND = 5
const INVALID_ARGUMENT = 3

/** A `TF_Graph` and where its nodes are. Not to be used after {@link NativeGraph.free}. */
export class NativeGraph {
  readonly address: Address
  readonly inputs = new GraphInputs()
  #isFree = false
  readonly #library: TensorFlowLibrary
  /** Nodes are never removed, so what was found once stays. */
  readonly #operations = new Map<string, Address>()

  constructor(library: TensorFlowLibrary) {
    this.#library = library
    this.address = hold('graphs', library.TF_NewGraph())
  }

  /** Does nothing a second time. */
  free(): void {
    if (this.#isFree) return
    this.#isFree = true
    this.#library.TF_DeleteGraph(this.address)
    drop('graphs')
  }

  /** Undefined when the graph has no such node. */
  find(node: string): Address | undefined {
    const known = this.#operations.get(node)
    if (known !== undefined) return known
    const found = this.#library.TF_GraphOperationByName(this.address, node)
    if (found === null) return undefined
    this.#operations.set(node, found)
    return found
  }

  /** @throws `TF_NOT_FOUND`, as TensorFlow itself answers */
  operation(node: string, use: string): Address {
    const found = this.find(node)
    if (found === undefined) throw statusFailure(NOT_FOUND, `the graph has no node ${node}, which is ${use}`)
    return found
  }

  /** An output that exists: libtensorflow reads beyond its memory for one that does not. @throws `TF_NOT_FOUND`, `TF_INVALID_ARGUMENT` */
  output(name: string, use: string): OutputStruct {
    const [node, index] = splitName(name)
    const oper = this.operation(node, use)
    const count = this.#library.TF_OperationNumOutputs(oper)
    if (index >= count) throw statusFailure(INVALID_ARGUMENT, `${name}, which is ${use}, does not exist: ${node} has ${count} ${count === 1 ? 'output' : 'outputs'}`)
    return { oper, index }
  }

  /** Adds the nodes of a `GraphDef`. Inputs that it does not bring itself are those of the graph. */
  async extend(bytes: Uint8Array): Promise<void> {
    const library = this.#library
    const nodes = decodeGraph(bytes).node ?? []
    const options = library.TF_NewImportGraphDefOptions()
    try {
      this.#mapInputs(options, nodes)
      await withBuffer(library, bytes, (buffer) =>
        withStatusAsync(library, (status) => offLoop(library.TF_GraphImportGraphDef, this.address, buffer, options, status)))
      this.inputs.addKnown(inputsOf(nodes))
    } finally {
      library.TF_DeleteImportGraphDefOptions(options)
    }
  }

  /** An import knows the nodes that it brings, and has to be told of all others. */
  #mapInputs(options: Address, nodes: readonly tensorflow.INodeDef[]): void {
    const brought = new Set(nodes.map(({ name }) => name))
    const mapped = new Set<string>()
    for (const { input } of nodes) {
      for (const text of input ?? []) {
        const isControl = text.startsWith('^')
        const [, name, index] = /^\^?(.*?)(?::(\d+))?$/s.exec(text)!
        if (brought.has(name!) || mapped.has(text)) continue
        const oper = this.find(name!)
        // A node that is nowhere: TensorFlow says so better.
        if (oper === undefined) continue
        mapped.add(text)
        if (isControl) this.#library.TF_ImportGraphDefOptionsRemapControlDependency(options, name!, oper)
        else this.#library.TF_ImportGraphDefOptionsAddInputMapping(options, name!, Number(index ?? 0), this.output(`${name}:${index ?? 0}`, 'an input'))
      }
    }
  }
}
