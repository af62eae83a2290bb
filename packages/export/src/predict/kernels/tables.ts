import { decodeText } from '@millrace/core'
import { integerTensor, stringsOf, type HostTensor } from '../../tensor/host-tensor.js'
import { dtypeAttr, intAttr, stringAttr, type Node } from '../graph/graph.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { LookupTable } from './lookup-table.js'
import { readTextFile } from './text-file.js'

const tableOf = (node: Node, inputs: readonly HostTensor[]): LookupTable => {
  const table = inputOf(node, inputs, 0)
  if (table instanceof LookupTable) return table
  throw opError(node, 'its first input is not a table')
}

/** One table a node: it is made when the node is prepared, and lives as long as the predictor. */
const hashTable: Kernel = (node) => {
  const table = new LookupTable(node.name, dtypeAttr(node, 'key_dtype'), dtypeAttr(node, 'value_dtype'), node.op.startsWith('Mutable'))
  return () => [table]
}

const find: Kernel = (node) => (inputs) => [tableOf(node, inputs).find(inputOf(node, inputs, 1), inputOf(node, inputs, 2))]

const size: Kernel = (node) => (inputs) => [integerTensor('int64', [], [tableOf(node, inputs).size])]

const insert: Kernel = (node) => (inputs) => {
  tableOf(node, inputs).insert(inputOf(node, inputs, 1), inputOf(node, inputs, 2))
  return []
}

const fromTextFile: Kernel = (node) => {
  const columns = {
    keyIndex: intAttr(node, 'key_index'),
    valueIndex: intAttr(node, 'value_index'),
    delimiter: stringAttr(node, 'delimiter', '\t'),
    vocabSize: intAttr(node, 'vocab_size', -1),
    offset: intAttr(node, 'offset', 0),
  }
  return (inputs, context) => {
    const table = tableOf(node, inputs)
    const { bytes, offsets } = stringsOf(inputOf(node, inputs, 1), node.name)
    const file = decodeText(bytes, offsets[0]!, offsets[1]!)
    const contents = context.files.get(file)
    if (contents === undefined) throw opError(node, `it reads the file "${file}", which is not one of the model's assets`)
    const { keys, values } = readTextFile(contents, file, table.keyDtype, table.valueDtype, columns)
    table.insert(keys, values)
    return []
  }
}

/** Ops that fill tables: they run once, at load. Each with the table as its first input. */
export const tableInitializers: KernelTable = {
  InitializeTableFromTextFile: fromTextFile,
  InitializeTableFromTextFileV2: fromTextFile,
  InitializeTable: insert,
  InitializeTableV2: insert,
  LookupTableImport: insert,
  LookupTableImportV2: insert,
}

/** Lookup tables. */
export const tableKernels: KernelTable = {
  HashTable: hashTable,
  HashTableV2: hashTable,
  MutableHashTableV2: hashTable,
  LookupTableFind: find,
  LookupTableFindV2: find,
  LookupTableSize: size,
  LookupTableSizeV2: size,
}
