import { failure } from '@millrace/core'
import type { tensorflow } from '../../proto/index.js'
import { nodeFromDef, parseRef, requireNode, type Graph, type Node, type Ref } from './graph.js'
import { flatOutput } from './output-args.js'

/** Functions call functions; deeper than any program that people write means recursion. */
const MAX_DEPTH = 64
/**
 * A function that is called twice, by one that is called twice, doubles at each level: a small file could stand for any number of
 * nodes. The largest models of people have some 20,000.
 */
const MAX_NODES = 100_000

const badGraph = (problem: string): Error => failure({ tag: 'Model', code: 'BAD_GRAPH', problem })

/** The function that a node calls, where it calls one. */
const calledFunction = (node: Node, library: ReadonlyMap<string, tensorflow.IFunctionDef>): tensorflow.IFunctionDef | undefined => {
  if (node.op !== 'PartitionedCall' && node.op !== 'StatefulPartitionedCall') return library.get(node.op)
  const name = node.attrs['f']?.func?.name ?? ''
  const found = library.get(name)
  if (found === undefined) throw badGraph(`the node ${node.name} calls the function ${name}, which the graph's library does not have`)
  return found
}

/**
 * The body of a function with its arguments put in: nodes named below the call, inputs of the form `node:argument:index`
 * turned into output indices. The call itself becomes an `IdentityN` over what the function returns.
 */
const expandCall = (node: Node, fn: tensorflow.IFunctionDef): { readonly call: Node; readonly body: readonly Node[] } => {
  const name = fn.signature?.name ?? ''
  const args = fn.signature?.inputArg ?? []
  if (args.length !== node.inputs.length || args.some((arg) => (arg.numberAttr ?? '') !== '' || (arg.typeListAttr ?? '') !== '')) {
    throw badGraph(`the call ${node.name} gives ${node.inputs.length} arguments, which do not fit the ${args.length} of the function ${name}`)
  }
  const given = new Map(args.map((arg, i) => [arg.name ?? '', node.inputs[i]!]))
  const defs = fn.nodeDef ?? []
  const bare = new Map(defs.map((def) => [def.name ?? '', nodeFromDef({ ...def, input: [] })]))
  const inside = (local: string): string => `${node.name}/${local}`
  const resolve = (text: string): Ref => {
    const [local, output, index] = text.split(':')
    const argument = given.get(local!)
    if (argument !== undefined) return argument
    const producer = requireNode(bare, local!, `the function ${name}`)
    return { node: inside(local!), output: output === undefined ? 0 : flatOutput(producer, output, parseRef(`x:${index ?? 0}`).output) }
  }
  const body = defs.map((def): Node => {
    const inputs = def.input ?? []
    return {
      ...bare.get(def.name ?? '')!,
      name: inside(def.name ?? ''),
      inputs: inputs.filter((text) => !text.startsWith('^')).map(resolve),
      // A control input that names an argument waits for nothing here.
      controls: inputs.filter((text) => text.startsWith('^') && bare.has(text.slice(1))).map((text) => inside(text.slice(1))),
    }
  })
  const returned = (fn.signature?.outputArg ?? []).map((arg) => {
    const text = fn.ret?.[arg.name ?? '']
    if (text === undefined) throw badGraph(`the function ${name} does not return its output "${arg.name ?? ''}"`)
    return resolve(text)
  })
  const effects = Object.values(fn.controlRet ?? {}).filter((local) => bare.has(local)).map(inside)
  return { call: { name: node.name, op: 'IdentityN', inputs: returned, controls: [...node.controls, ...effects], attrs: {} }, body }
}

/**
 * Writes out calls of functions: what TensorFlow 2 exports is one call a signature. Only what the targets need is kept, control
 * inputs included, so that the function that saves the model, for one, stays out.
 *
 * @param targets - names of nodes
 * @throws `Model` for recursion and for functions and arguments that are missing; `Limit` when the result would be huge
 */
export const inlineFunctions = (nodes: Graph, functions: readonly tensorflow.IFunctionDef[], targets: Iterable<string>): Graph => {
  const library = new Map(functions.map((fn) => [fn.signature?.name ?? '', fn]))
  const known = new Map(nodes)
  const depths = new Map<string, number>()
  const kept = new Map<string, Node>()
  const pending: string[] = [...targets]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (kept.has(name)) continue
    let node = requireNode(known, name, 'the graph')
    const fn = calledFunction(node, library)
    if (fn !== undefined) {
      const depth = (depths.get(name) ?? 0) + 1
      if (depth > MAX_DEPTH) throw failure({ tag: 'Model', code: 'RECURSIVE_FUNCTION', problem: `the functions of the graph call each other more than ${MAX_DEPTH} deep at the node ${name}` })
      const { call, body } = expandCall(node, fn)
      if (known.size + body.length > MAX_NODES) {
        throw failure({ tag: 'Limit', code: 'GRAPH_TOO_LARGE', problem: `the graph would have more than ${MAX_NODES} nodes once its functions are written out` })
      }
      for (const inner of body) {
        known.set(inner.name, inner)
        depths.set(inner.name, depth)
      }
      node = call
    }
    kept.set(name, node)
    pending.push(...node.inputs.map((input) => input.node), ...node.controls)
  }
  return kept
}
