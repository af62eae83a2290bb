import type { DType } from '../../tensor/dtypes.js'
import { dtypeAttr, intAttr, type Node } from '../graph/graph.js'
import { parseExampleOutputs } from '../kernels/parse-example.js'

type OutputDtypes = (node: Node) => readonly DType[]

const always = (...dtypes: DType[]): OutputDtypes => () => dtypes
const attr = (name: string, fallback?: DType): OutputDtypes => (node) => [dtypeAttr(node, name, fallback)]
const each = (ops: readonly string[], dtypes: OutputDtypes): { [op: string]: OutputDtypes } => Object.fromEntries(ops.map((op) => [op, dtypes]))

/** Ops whose outputs are not all of the type in their attribute `T`. */
const table: { readonly [op: string]: OutputDtypes } = {
  ...each(['Equal', 'NotEqual', 'Less', 'LessEqual', 'Greater', 'GreaterEqual', 'LogicalAnd', 'LogicalOr', 'LogicalNot', 'IsNan', 'IsFinite', 'IsInf', 'All', 'Any'], always('bool')),
  ...each(['Const', 'Placeholder', 'PlaceholderWithDefault', 'PlaceholderV2', 'VarHandleOp', 'VariableV2', 'Zeros', 'Ones'], attr('dtype')),
  ...each(['HashTable', 'HashTableV2', 'MutableHashTableV2'], always('resource')),
  ...each(['LookupTableFind', 'LookupTableFindV2'], attr('Tout')),
  ...each(['LookupTableSize', 'LookupTableSizeV2', 'StringToHashBucketFast'], always('int64')),
  ...each(['AsString', 'StringLower', 'StringUpper', 'StringStrip', 'StringJoin', 'RegexReplace'], always('string')),
  ...each(['Bucketize', 'Rank', 'StringLength'], always('int32')),
  ...each(['Shape', 'Size'], attr('out_type', 'int32')),
  ...each(['Gather', 'GatherV2', 'GatherNd', 'ResourceGather'], attr('Tparams')),
  ...each(['ArgMax', 'ArgMin'], attr('output_type', 'int64')),
  ...each(['ResizeBilinear', 'CropAndResize'], always('float32')),
  ...each(['MaxPool', 'LeakyRelu', 'LRN'], attr('T', 'float32')),
  Cast: attr('DstT'),
  Range: attr('Tidx', 'int32'),
  ShapeN: (node) => new Array<DType>(intAttr(node, 'N')).fill(dtypeAttr(node, 'out_type', 'int32')),
  StringToNumber: attr('out_type', 'float32'),
  TopKV2: (node) => [dtypeAttr(node, 'T'), dtypeAttr(node, 'index_type', 'int32')],
  StringSplitV2: always('int64', 'string', 'int64'),
  SparseSlice: (node) => ['int64', dtypeAttr(node, 'T'), 'int64'],
  ParseExampleV2: parseExampleOutputs,
}

/** The type of one output of a node; `undefined` where the graph does not say. */
export const outputDtype = (node: Node, output: number): DType | undefined => {
  const known = table[node.op]
  if (known !== undefined) return known(node)[output]
  return node.attrs['T']?.type === undefined || node.attrs['T'].type === null ? undefined : dtypeAttr(node, 'T')
}
