import { failure } from '@millrace/core'
import type { tensorflow } from '../../proto/index.js'
import { dtypeNumber } from '../../tensor/dtypes.js'
import { decodeTensorProto } from '../../tensor/decode-tensor-proto.js'
import { stringsOf, type HostTensor } from '../../tensor/host-tensor.js'
import { stringAttr, type Graph, type Node, type Ref } from './graph.js'

const handles = new Set(['VarHandleOp', 'VariableV2', 'Variable', 'AutoReloadVariable'])
const assignments = new Set(['AssignVariableOp', 'Assign'])
const restores = new Set(['RestoreV2'])

/** Ops of variables: handles and those that read them. */
export const isVariable = (node: Node): boolean => handles.has(node.op)

/** Names of tensors in the checkpoint that a `RestoreV2` reads, by output. */
export const restoredNames = (graph: Graph, restore: Node): string[] => {
  const names = graph.get(restore.inputs[1]?.node ?? '')
  const tensor = names?.op === 'Const' ? names.attrs['value']?.tensor : undefined
  if (tensor === null || tensor === undefined) return []
  const strings = stringsOf(decodeTensorProto(tensor, `the constant ${names!.name}`), 'RestoreV2')
  return Array.from({ length: strings.length }, (_, i) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(strings.get(i)))
}

/** The name under which TensorFlow shares a variable. */
const sharedName = (node: Node): string => stringAttr(node, 'shared_name', '') || node.name

/**
 * Which tensor of the checkpoint each variable is restored from, by the variable's shared name. The graph's own restoring ops
 * say so (`RestoreV2` → `AssignVariableOp` or `Assign`): names in a checkpoint need not be those of the variables.
 *
 * @param graph - with identities forwarded and functions written out
 */
export const variableSources = (graph: Graph): Map<string, string> => {
  const sources = new Map<string, string>()
  const names = new Map<string, string[]>()
  for (const node of graph.values()) {
    if (!assignments.has(node.op)) continue
    const handle = graph.get(node.inputs[0]?.node ?? '')
    const value: Ref | undefined = node.inputs[1]
    const restore = graph.get(value?.node ?? '')
    if (handle === undefined || !isVariable(handle) || restore === undefined || !restores.has(restore.op)) continue
    if (!names.has(restore.name)) names.set(restore.name, restoredNames(graph, restore))
    const name = names.get(restore.name)![value!.output]
    if (name !== undefined) sources.set(sharedName(handle), name)
  }
  return sources
}

/**
 * Variables that initialisation sets from a value that is known already: TensorFlow 2 keeps the paths of asset files so.
 *
 * @param constants - the paths, by the node that is fed with them
 */
export const assignedConstants = (graph: Graph, constants: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> => {
  const assigned = new Map<string, HostTensor>()
  for (const node of graph.values()) {
    const value = assignments.has(node.op) ? constants.get(node.inputs[1]?.node ?? '') : undefined
    if (value !== undefined) assigned.set(node.inputs[0]!.node, value)
  }
  return assigned
}

/** The tensor of the checkpoint that a variable holds. */
export const sourceOfVariable = (node: Node, sources: ReadonlyMap<string, string>): string => sources.get(sharedName(node)) ?? sharedName(node)

/** Constants that stand for nodes. */
export type Constants = Map<string, HostTensor>

/**
 * Turns variables into constants: reads of resource variables are pointed at the variable, gathers from one become plain
 * gathers, and the variable itself a constant whose value `constants` holds.
 *
 * @throws `Model` for a needed variable that has no value
 */
export const freezeVariables = (graph: Graph, values: ReadonlyMap<string, HostTensor>, constants: Constants): Graph => {
  const out = new Map<string, Node>()
  for (const [name, node] of graph) {
    if (isVariable(node)) {
      const value = values.get(name)
      if (value === undefined) {
        throw failure({ tag: 'Model', code: 'NO_VARIABLE_VALUE', problem: `the variable ${name} has no value: the model has no checkpoint that holds it`, remedy: 'Freeze the graph first, or load the SavedModel it belongs to.' })
      }
      constants.set(name, value)
      out.set(name, { name, op: 'Const', inputs: [], controls: [], attrs: { dtype: { type: dtypeNumber(value.dtype) as tensorflow.DataType } } })
    } else if (node.op === 'ReadVariableOp') {
      out.set(name, { ...node, op: 'Identity', controls: [] })
    } else if (node.op === 'ResourceGather') {
      out.set(name, { ...node, op: 'Gather', attrs: { ...node.attrs, Tparams: node.attrs['dtype']! } })
    } else out.set(name, node)
  }
  return out
}
