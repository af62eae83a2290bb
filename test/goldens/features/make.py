"""Writes the goldens of this folder with the real TensorFlow and Keras: python make.py

test/goldens/features.test.ts checks Millrace's features against them on machines without Python.
"""
import json
import os
import random

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
import keras
import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = {'tensorflow': tf.__version__, 'keras': keras.__version__, 'numpy': np.__version__}


def write(name, cases):
    with open(os.path.join(HERE, name), 'w', encoding='utf-8') as file:
        json.dump({'versions': VERSIONS, 'cases': cases}, file, ensure_ascii=True, separators=(',', ':'))
        file.write('\n')


def number(value):
    """JSON has no NaN and no infinities: those are texts."""
    value = float(value)
    return value if np.isfinite(value) else {'nan': 'NaN', 'inf': 'Infinity', '-inf': '-Infinity'}[str(value)]


def texts():
    """Texts of every length class of Farmhash, ASCII and not."""
    source = random.Random(64)
    alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-/'
    found = ['', ' ', 'SFO', 'JFK', 'São Paulo', 'Zürich', '東京', 'Δelta', '🛫', '\x00', 'a\x00b', '0', '-1', '9223372036854775807']
    for length in list(range(1, 140)) + [191, 192, 193, 255, 256, 257, 1000, 4096]:
        found.append(''.join(source.choice(alphabet) for _ in range(length)))
    for length in range(1, 40):
        found.append(''.join(source.choice('éß漢字🛬Ωж') for _ in range(length)))
    return found


def fingerprint64():
    # tf.fingerprint gives the eight bytes of the hash, low byte first.
    values = texts()
    hashed = tf.fingerprint(tf.constant(values)[:, None], method='farmhash64').numpy()
    return [[text, str(int.from_bytes(row.tobytes(), 'little'))] for text, row in zip(values, hashed)]


def hashing():
    values = texts()[:60] + texts()[-20:]
    return [
        {'buckets': bins, 'values': values, 'expected': keras.layers.Hashing(num_bins=bins)(tf.constant(values)).numpy().tolist()}
        for bins in [1, 2, 3, 10, 1000, 65537, 2147483647]
    ]


VOCABULARY = ['JFK', 'SFO', 'ORD', 'São Paulo', '東京', 'x']
LOOKED_UP = ['JFK', 'SFO', 'sfo', '', 'ORD', 'São Paulo', 'Sao Paulo', '東京', 'x', 'y', 'z', '🛫', 'JFK ', 'unknown airport', '[MASK]']


def string_lookup():
    cases = []
    for mask_token in [None, '', '[MASK]']:
        for oov in [1, 3, 7]:
            layer = keras.layers.StringLookup(vocabulary=VOCABULARY, num_oov_indices=oov, mask_token=mask_token)
            cases.append({
                'maskToken': mask_token, 'oovBuckets': oov, 'tokens': VOCABULARY, 'values': LOOKED_UP,
                'expected': layer(tf.constant(LOOKED_UP)).numpy().tolist(), 'cardinality': layer.vocabulary_size(),
            })
    return cases


def numbers():
    source = np.random.default_rng(7)
    return np.concatenate([
        source.normal(500, 350, 200), source.uniform(-1e-3, 1e-3, 20), [0, -0.0, 1, -1, 0.1, 15, 1e30, -1e30, 16777217, 3.4e38],
    ]).astype(np.float32)


def normalization():
    cases = []
    for mean, variance in [(0, 1), (531.25, 122500.5), (-3.7, 0.01), (2.5, 0.0), (1e6, 1e-20)]:
        layer = keras.layers.Normalization(axis=None, mean=mean, variance=variance)
        values = np.concatenate([numbers(), np.array([np.nan, np.inf, -np.inf], np.float32)])
        cases.append({'mean': mean, 'variance': variance, 'values': [number(v) for v in values], 'expected': [number(v) for v in layer(tf.constant(values)).numpy().ravel()]})
    return cases


def adapted():
    cases = []
    for values in [numbers()[:200], np.array([1, 1, 1, 1], np.float32), np.array([1, 2, 3, 4, 5, 1000], np.float32)]:
        layer = keras.layers.Normalization(axis=None)
        layer.adapt(values)
        cases.append({'values': [number(v) for v in values], 'mean': number(layer.mean.numpy().ravel()[0]), 'variance': number(layer.variance.numpy().ravel()[0])})
    return cases


def discretization():
    cases = []
    for boundaries in [[0.0], [-1.5, 0.0, 0.1, 15.0, 500.0], [float(v) for v in range(-50, 50)]]:
        layer = keras.layers.Discretization(bin_boundaries=boundaries)
        values = np.concatenate([numbers(), np.array(boundaries, np.float32), np.array([np.nan, np.inf, -np.inf], np.float32)])
        graph = tf.raw_ops.Bucketize(input=tf.constant(values), boundaries=boundaries).numpy()
        keras_says = np.asarray(layer(tf.constant(values))).ravel()
        # Keras and the op that our graphs use must agree before either is a golden.
        assert (graph == keras_says).all(), (values[graph != keras_says], graph[graph != keras_says], keras_says[graph != keras_says])
        cases.append({'boundaries': boundaries, 'values': [number(v) for v in values], 'expected': graph.tolist()})
    return cases


if __name__ == '__main__':
    write('fingerprint64.json', fingerprint64())
    write('hashing.json', hashing())
    write('string-lookup.json', string_lookup())
    write('normalization.json', normalization())
    write('normalization-adapted.json', adapted())
    write('discretization.json', discretization())
