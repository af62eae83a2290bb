"""Writes the TFRecord goldens with TensorFlow (2.21): run it with a Python that has TensorFlow, in any folder.

Each golden is NAME.json (how to read it, and the values due) beside NAME.tfrecord, NAME.gz and NAME.zlib.
In the JSON, 64-bit integers are texts, bytes are base64, floats that JSON cannot hold are texts, null is an absent feature.
"""

import base64
import json
import math
import os

import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
PACKINGS = {'tfrecord': '', 'gz': 'GZIP', 'zlib': 'ZLIB'}

INTEGERS = [0, 1, -1, 127, 128, 300, 2**31 - 1, -(2**31), 2**31, 2**32, 2**53, -(2**53), 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, 0.1, -1.5e-42, 3.4028234663852886e38, math.inf, -math.inf, math.nan]
TEXTS = ['', 'a', 'naïve', '漢字', '𝄞', 'x' * 100, 'y' * 200, 'line\nbreak', '\0']


def bytes_list(values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def float_list(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def int64_list(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def as_lists(value):
    return value if isinstance(value, list) else [value]


MAKERS = {
    'int64': int64_list,
    'float32': float_list,
    'utf8': lambda values: bytes_list([value.encode() for value in values]),
    'binary': bytes_list,
}


def shown(kind, value):
    if value is None:
        return None
    if isinstance(value, list):
        return [shown(kind, item) for item in value]
    if kind == 'int64':
        return str(value)
    if kind == 'binary':
        return base64.b64encode(value).decode()
    if kind == 'float32':
        if math.isnan(value) or math.isinf(value) or (value == 0 and math.copysign(1, value) < 0):
            return str(value)
        return float(tf.constant(value, tf.float32).numpy())
    return value


def write(name, schema, rows):
    examples = []
    for row in rows:
        features = {column: MAKERS[schema[column]['kind']](as_lists(value)) for column, value in row.items() if value is not None}
        examples.append(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True))
    for suffix, packing in PACKINGS.items():
        with tf.io.TFRecordWriter(os.path.join(HERE, f'{name}.{suffix}'), tf.io.TFRecordOptions(compression_type=packing)) as writer:
            for example in examples:
                writer.write(example)
    due = [{column: shown(schema[column]['kind'], row[column]) for column in schema} for row in rows]
    with open(os.path.join(HERE, f'{name}.json'), 'w', encoding='utf-8') as file:
        json.dump({'tensorflow': tf.__version__, 'schema': schema, 'rows': due}, file, indent=1)
        file.write('\n')


def cycle(values, index):
    return values[index % len(values)]


write(
    'scalars',
    {'integer': {'kind': 'int64'}, 'real': {'kind': 'float32'}, 'text': {'kind': 'utf8'}, 'blob': {'kind': 'binary'}},
    [
        {'integer': cycle(INTEGERS, i), 'real': cycle(FLOATS, i), 'text': cycle(TEXTS, i), 'blob': bytes(range(i * 20, i * 20 + 10)) if i < 12 else b'\xff\xfe'}
        for i in range(14)
    ],
)
write(
    'lists',
    {'integers': {'kind': 'int64', 'list': True}, 'reals': {'kind': 'float32', 'list': True}, 'texts': {'kind': 'utf8', 'list': True}},
    [
        {'integers': INTEGERS, 'reals': FLOATS, 'texts': TEXTS},
        {'integers': [], 'reals': [], 'texts': []},
        {'integers': [7], 'reals': [0.5], 'texts': ['one']},
        {'integers': list(range(200)), 'reals': [i / 2 for i in range(200)], 'texts': [str(i) for i in range(50)]},
    ],
)
write(
    'nulls',
    {
        'integer': {'kind': 'int64', 'nullable': True},
        'real': {'kind': 'float32', 'nullable': True},
        'text': {'kind': 'utf8', 'nullable': True},
        'integers': {'kind': 'int64', 'list': True, 'nullable': True},
    },
    [
        {'integer': None if i & 1 else i, 'real': None if i & 2 else i / 4, 'text': None if i & 4 else f'text {i}', 'integers': None if i & 8 else [i] * (i % 3)}
        for i in range(16)
    ],
)
write('empty', {'integer': {'kind': 'int64'}}, [])
