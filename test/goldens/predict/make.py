"""Writes the goldens of this folder with the real TensorFlow: python make.py

kernels.json: one node a case, with its NodeDef, its inputs and what TensorFlow computes for them.
test/goldens/predict/predict.test.ts checks the predictor's own kernels against them on machines without Python.
"""
import base64
import json
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
v1, raw = tf.compat.v1, tf.raw_ops
cases = []
I32, I64, F32, F64, BOOL = np.int32, np.int64, np.float32, np.float64, np.bool_


def dump(array):
    array = np.asarray(array)
    if array.dtype.kind in 'OSU':
        values = [base64.b64encode(v if isinstance(v, bytes) else v.encode()).decode() for v in array.ravel().tolist()]
        return {'dtype': 'string', 'shape': list(array.shape), 'values': values}
    return {'dtype': str(array.dtype), 'shape': list(array.shape), 'values': base64.b64encode(array.tobytes()).decode()}


def case(op, inputs, **attrs):
    """Runs one raw op. `inputs` maps its arguments to arrays, or to lists of arrays."""
    with tf.Graph().as_default(), v1.Session() as session:
        feeds, arguments = {}, {}

        def placeholder(value):
            array = np.array(value, object) if np.asarray(value).dtype.kind in 'OSU' else np.asarray(value)
            tensor = v1.placeholder(tf.string if array.dtype == object else array.dtype, array.shape)
            feeds[tensor] = array
            return tensor

        for name, value in inputs.items():
            arguments[name] = [placeholder(v) for v in value] if isinstance(value, list) else placeholder(value)
        result = getattr(raw, op)(**arguments, **attrs)
        tensors = tf.nest.flatten(result)
        node = v1.NodeDef()
        node.CopyFrom(tensors[0].op.node_def)
        node.name = op
        node.ClearField('input')
        outputs = session.run(tensors, feeds)
        cases.append({'op': op, 'node': base64.b64encode(node.SerializeToString(deterministic=True)).decode(), 'inputs': [dump(v) for v in feeds.values()], 'outputs': [dump(v) for v in outputs]})


def strings(*values):
    return np.array(values, object)


floats = np.array([0, -0.0, 1, -1, 0.5, -2.5, 3.5, 1e-7, 123456.78, -7.25, 2.5, 1e20, np.inf, -np.inf, np.nan], F32)
finite = np.array([0.25, -3, 1.75, 100, -0.125, 7, 2.5, 1e-3], F32)
ints = np.array([0, 1, -1, 7, -7, 2**31 - 1, -2**31, 12, -13], I32)
longs = np.array([0, 1, -1, 86_399_999, -86_400_001, 2**53 + 1, -2**53 - 1, 2**63 - 1, -2**63, 1_000_000_007], I64)
texts = strings('', 'SFO', 'Zürich', '東京', ' padded\t', 'MiXeD 42', b'\xff\x00\xfe', 'a' * 100)

for op in ['AddV2', 'Sub', 'Mul', 'Maximum', 'Minimum', 'SquaredDifference']:
    case(op, {'x': finite, 'y': finite[::-1].copy()})
    case(op, {'x': ints, 'y': np.array(3, I32)})
    case(op, {'x': longs, 'y': np.array(1_000_003, I64)})
    case(op, {'x': longs[:, None], 'y': longs[None, :4].copy()})
    case(op, {'x': finite.astype(F64).reshape(2, 4), 'y': np.array([[1.5], [-2]], F64)})
case('Add', {'x': np.zeros((0, 3), F32), 'y': np.ones((1, 3), F32)})
case('AddN', {'inputs': [longs, longs, longs]})
for op in ['FloorDiv', 'FloorMod', 'TruncateDiv', 'TruncateMod']:
    for divisor in [3_600_000, 24, -7, 1, 2**62]:
        case(op, {'x': longs[:7] if divisor == -7 else longs, 'y': np.array(divisor, I64)})
    for divisor in [7, -4]:
        case(op, {'x': ints, 'y': np.array(divisor, I32)})
for op in ['FloorDiv', 'FloorMod']:
    case(op, {'x': finite, 'y': np.array([0.3, -0.7, 2, 3, 0.25, -2, 1e-2, 7], F32)})
case('RealDiv', {'x': finite, 'y': np.array(3, F32)})
case('Div', {'x': np.array([7, -7, 9], I32), 'y': np.array([2, 2, -4], I32)})
case('DivNoNan', {'x': finite, 'y': np.array([0, 1, 2, 0, 1, 2, 4, 8], F32)})
case('Pow', {'x': np.array([2, -3, 0, 10], I64), 'y': np.array([10, 3, 0, 18], I64)})
for op in ['Equal', 'NotEqual', 'Less', 'LessEqual', 'Greater', 'GreaterEqual']:
    case(op, {'x': longs, 'y': np.array(2**53, I64)})
    case(op, {'x': floats, 'y': np.array(0.5, F32)})
for op in ['Equal', 'NotEqual']:
    case(op, {'x': texts, 'y': strings('SFO')})
    case(op, {'x': np.array([True, False]), 'y': np.array([[True], [False]])})
case('LogicalAnd', {'x': np.array([True, False]), 'y': np.array([[True], [False]])})
case('LogicalOr', {'x': np.array([True, False]), 'y': np.array([[True], [False]])})
case('LogicalNot', {'x': np.array([True, False])})
for op in ['Neg', 'Abs', 'Sign', 'Square']:
    case(op, {'x': finite})
    case(op, {'x': longs})
    case(op, {'x': ints})
for op in ['Sqrt', 'Rsqrt', 'Exp', 'Expm1', 'Log', 'Log1p', 'Sigmoid', 'Tanh', 'Floor', 'Ceil', 'Round', 'Reciprocal', 'Erfc', 'Sin', 'Cos']:
    case(op, {'x': np.abs(finite) if op in ('Sqrt', 'Rsqrt', 'Log', 'Log1p') else np.clip(finite, -5, 5)})
case('Round', {'x': np.array([0.5, 1.5, 2.5, -0.5, -1.5, 2.49, 0.51], F32)})
for op in ['IsNan', 'IsFinite', 'IsInf']:
    case(op, {'x': floats})
for source in [finite, ints, longs, np.array([True, False]), finite.astype(F64), np.array([0, 255], np.uint8), finite.astype(np.float16), np.array([-7, 300], np.int16)]:
    for target in [tf.float32, tf.float64, tf.int32, tf.int64, tf.bool, tf.int8]:
        if target == tf.int8 and source.dtype.kind == 'f':
            continue
        case('Cast', {'x': source}, DstT=target)
case('Cast', {'x': np.array([2.0**31, -2.0**40, np.nan, np.inf, 2.0**62], F32)}, DstT=tf.int64)

table = np.arange(24, dtype=I64).reshape(2, 3, 4)
names = np.array([[b'a', b'bb', b''], [b'ccc', b'd', b'ee']], object)
case('Shape', {'input': table}, out_type=tf.int64)
case('Size', {'input': table}, out_type=tf.int32)
case('Rank', {'input': table})
case('Reshape', {'tensor': names, 'shape': np.array([-1, 2], I32)})
case('ExpandDims', {'input': names, 'axis': np.array(-1, I32)})
case('Squeeze', {'input': table.reshape(1, 24, 1)}, axis=[0])
case('Squeeze', {'input': table.reshape(1, 24, 1)}, axis=[])
case('Range', {'start': np.array(3, I64), 'limit': np.array(20, I64), 'delta': np.array(4, I64)})
case('Range', {'start': np.array(5, I32), 'limit': np.array(-3, I32), 'delta': np.array(-2, I32)})
for axis in [0, 1, -1]:
    case('ConcatV2', {'values': [table, table[:, :, :]], 'axis': np.array(axis, I32)})
    case('Pack', {'values': [names, names[::-1].copy()]}, axis=axis)
case('ConcatV2', {'values': [names, names[:, :1].copy()], 'axis': np.array(1, I32)})
case('Slice', {'input': table, 'begin': np.array([0, 1, 2], I32), 'size': np.array([-1, 2, 1], I32)})
case('Slice', {'input': names, 'begin': np.array([1, 0], I64), 'size': np.array([1, -1], I64)})


def strided(value, begin, end, steps, **masks):
    case('StridedSlice', {'input': value, 'begin': np.array(begin, I32), 'end': np.array(end, I32), 'strides': np.array(steps, I32)},
         **{'begin_mask': 0, 'end_mask': 0, 'ellipsis_mask': 0, 'new_axis_mask': 0, 'shrink_axis_mask': 0, **masks})


strided(table, [0, 1], [2, 3], [1, 1])
strided(table, [0], [1], [1], shrink_axis_mask=1)
strided(table, [-1, 0, -1], [0, 9, -5], [-1, 2, -2], end_mask=1)
strided(table, [0, 0, 1], [0, 0, 3], [1, 1, 1], ellipsis_mask=1, new_axis_mask=2)
strided(table, [0, 0], [0, 0], [1, 1], new_axis_mask=1, begin_mask=2, end_mask=2)
strided(names, [0, -2], [0, 99], [1, 1], begin_mask=1, end_mask=1)
strided(names, [1, 1], [2, 2], [1, 1], shrink_axis_mask=3)
strided(np.arange(5, dtype=I32), [3], [1], [1])
case('Split', {'axis': np.array(2, I32), 'value': table}, num_split=2)
case('Unpack', {'value': names}, num=3, axis=1)
case('Tile', {'input': names, 'multiples': np.array([2, 3], I32)})
case('BroadcastTo', {'input': np.array([[1], [2]], I64), 'shape': np.array([2, 2, 3], I32)})
case('Fill', {'dims': np.array([2, 3], I32), 'value': strings('x')[0]})
case('Transpose', {'x': table, 'perm': np.array([2, 0, 1], I32)})
case('Select', {'condition': np.array([True, False]), 'x': names, 'y': names[:, ::-1].copy()})
case('SelectV2', {'condition': np.array([[True], [False]]), 't': longs[None, :3].copy(), 'e': np.array(-1, I64)})
case('SelectV2', {'condition': np.array([True, False, True]), 't': names, 'e': strings('none')})
case('GatherV2', {'params': names, 'indices': np.array([[1, 0], [1, 1]], I64), 'axis': np.array(0, I32)})
case('GatherV2', {'params': table, 'indices': np.array([2, 0], I32), 'axis': np.array(1, I32)})
case('GatherV2', {'params': table, 'indices': np.array([[2, 0], [1, 1]], I32), 'axis': np.array(1, I32)}, batch_dims=1)
case('OneHot', {'indices': np.array([0, 2, -1, 5], I64), 'depth': np.array(3, I32), 'on_value': np.array(1, F32), 'off_value': np.array(0, F32)})
case('OneHot', {'indices': np.array([[0, 2], [1, 9]], I32), 'depth': np.array(3, I32), 'on_value': np.array(5, I64), 'off_value': np.array(-5, I64)}, axis=0)
case('OneHot', {'indices': np.array([[0, 2], [1, 9]], I32), 'depth': np.array(3, I32), 'on_value': np.array(2, F32), 'off_value': np.array(0.5, F32)}, axis=1)
case('ZerosLike', {'x': longs})
case('OnesLike', {'x': longs})
case('DynamicPartition', {'data': np.arange(8, dtype=I64).reshape(4, 2), 'partitions': np.array([1, 0, 1, 2], I32)}, num_partitions=4)
case('DynamicStitch', {'indices': [np.array([2, 0], I32), np.array([1, 0], I32)], 'data': [np.array([[1, 2], [3, 4]], F32), np.array([[5, 6], [7, 8]], F32)]})

for values in [floats, ints, longs, finite.astype(F64)]:
    case('Bucketize', {'input': values}, boundaries=[-7.0, 0.0, 0.1, 1.0, 100.0])
case('Bucketize', {'input': np.array([16777217, 16777216, 16777218], I64)}, boundaries=[16777216.0, 16777218.0])
case('Bucketize', {'input': finite}, boundaries=[])
for buckets in [1, 3, 1000, 2**31 + 11, 2**62]:
    case('StringToHashBucketFast', {'input': texts}, num_buckets=buckets)
case('AsString', {'input': longs})
case('AsString', {'input': ints}, width=6, fill='0')
case('AsString', {'input': ints}, width=6)
case('AsString', {'input': ints}, width=6, fill='-')
case('AsString', {'input': np.array([True, False])})
case('AsString', {'input': np.array([0.5, 2.5, 0.0078125, 0.0234375, -0.0, 1e20, 123456.789, np.nan, np.inf, -np.inf], F32)})
case('AsString', {'input': np.array([0.5, 1.5, 2.5, 0.125, 1e22, -7.005], F64)}, precision=2)
case('AsString', {'input': np.array([0.5, 1.5, 2.5, -0.5], F64)}, precision=0)
for op in ['StringLower', 'StringUpper']:
    case(op, {'input': texts})
    case(op, {'input': strings('Zürich É ñ')}, encoding='utf-8')
case('StringStrip', {'input': strings(' a b ', '\t\n', '', 'x\x0b')})
case('StringLength', {'input': texts}, unit='BYTE')
case('StringLength', {'input': texts[:6]}, unit='UTF8_CHAR')
case('StringJoin', {'inputs': [names, strings('!')[0], names]}, separator='-')
case('StringToNumber', {'string_tensor': strings('1.5', '-3', ' 7e2 ', 'inf', '.25')}, out_type=tf.float32)
case('StringToNumber', {'string_tensor': strings('-9223372036854775808', '42')}, out_type=tf.int64)


def example(**features):
    made = {}
    for name, values in features.items():
        kind = 'bytes_list' if values and isinstance(values[0], bytes) else 'float_list' if values and isinstance(values[0], float) else 'int64_list'
        made[name] = tf.train.Feature(**{kind: {'bytes_list': tf.train.BytesList, 'float_list': tf.train.FloatList, 'int64_list': tf.train.Int64List}[kind](value=values)})
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString(deterministic=True)


records = strings(example(name=[b'SFO'], count=[2**60], pair=[1.5, -2.0], tags=[b'x', b'y']), example(count=[-1], pair=[0.0, 3.25], extra=[1]), example(name=[b''], count=[0], pair=[7.0, 8.0], tags=[b'z'], name2=[b'q']))
case('ParseExampleV2', {
    'serialized': records, 'names': np.array([], object), 'sparse_keys': strings('tags', 'absent'), 'dense_keys': strings('count', 'name', 'pair'), 'ragged_keys': np.array([], object),
    'dense_defaults': [np.array([], I64), np.array(b'none', object), np.array([], F32)],
}, num_sparse=2, sparse_types=[tf.string, tf.int64], ragged_value_types=[], ragged_split_types=[], dense_shapes=[[], [], [2]])

with open(os.path.join(HERE, 'kernels.json'), 'w', encoding='utf-8') as file:
    file.write('{"versions":' + json.dumps({'tensorflow': tf.__version__, 'numpy': np.__version__}) + ',"cases":[\n')
    file.write(',\n'.join(json.dumps(c, separators=(',', ':')) for c in cases))
    file.write('\n]}\n')
