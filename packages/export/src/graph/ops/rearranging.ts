import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { sameAsInput } from '../shape-function.js'
import { split, splitSizes, tile } from '../splitting-shapes.js'
import { batchToSpace, resized, sameAsOther, spaceToBatch } from '../window-shapes.js'
import { floats, indices, realNumbers } from './dtype-sets.js'

const index = attr.type({ allowed: indices, default: 'int32' })
const any = attr.type()
const corners = { align_corners: attr.bool({ default: false }), half_pixel_centers: attr.bool({ default: false }) }
const whole = ['int8', 'uint8', 'int16', 'uint16', 'int32', 'int64'] as const

/** What cuts, repeats, turns and stretches tensors. */
export const rearrangingOps = {
  Split: op('split_dim:int32 value:T -> output:num_split*T', { num_split: attr.int({ minimum: 1 }), T: any }, split),
  SplitV: op(
    'value:T size_splits:Tlen split_dim:int32 -> output:num_split*T',
    { num_split: attr.int({ minimum: 1 }), T: any, Tlen: attr.type({ allowed: ['int8', 'int32', 'int64'], default: 'int64' }) },
    splitSizes,
  ),
  Tile: op('input:T multiples:Tmultiples -> output:T', { T: any, Tmultiples: index }, tile),
  ReverseV2: op('tensor:T axis:Tidx -> output:T', { Tidx: index, T: attr.type({ allowed: [...realNumbers, 'bool', 'string'] }) }, sameAsInput),
  SpaceToBatchND: op('input:T block_shape:Tblock_shape paddings:Tpaddings -> output:T', { T: any, Tblock_shape: index, Tpaddings: index }, spaceToBatch),
  BatchToSpaceND: op('input:T block_shape:Tblock_shape crops:Tcrops -> output:T', { T: any, Tblock_shape: index, Tcrops: index }, batchToSpace),
  ResizeNearestNeighbor: op(
    'images:T size:int32 -> resized_images:T',
    { T: attr.type({ allowed: [...whole, ...floats] }), ...corners },
    resized,
  ),
  ResizeNearestNeighborGrad: op(
    'grads:T size:int32 -> output:T',
    { T: attr.type({ allowed: ['uint8', 'int8', 'int32', 'float16', 'float32', 'float64', 'bfloat16'] }), ...corners },
    resized,
  ),
  ResizeBilinear: op(
    'images:T size:int32 -> resized_images:float32',
    { T: attr.type({ allowed: [...whole, ...floats] }), ...corners },
    resized,
  ),
  ResizeBilinearGrad: op(
    'grads:float32 original_image:T -> output:T',
    { T: attr.type({ allowed: floats }), ...corners },
    sameAsOther(1),
  ),
} as const
