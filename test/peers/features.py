"""Answers the questions of features.test.ts with Keras and TensorFlow. Reads JSON on standard input, writes JSON on standard output."""
import collections
import csv
import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf


def number(value):
    """JSON has no NaN and no infinities: those are texts."""
    value = float(value)
    return value if np.isfinite(value) else {'nan': 'NaN', 'inf': 'Infinity', '-inf': '-Infinity'}[str(value)]


def tft_vocabulary(values, top_k=None, frequency_threshold=1):
    """tft.vocabulary: (count, token) pairs sorted in reverse, the tokens as bytes."""
    counts = collections.Counter(value.encode() for value in values)
    kept = [(count, token) for token, count in counts.items() if count >= frequency_threshold]
    kept = [pair for pair in kept if pair[1] and b'\n' not in pair[1] and b'\r' not in pair[1]]
    return [token.decode() for count, token in sorted(kept, reverse=True)][:top_k]


def airports(path):
    with open(path, newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    answers = {}
    for column in ['state', 'city', 'country', 'name']:
        values = [row[column] for row in rows]
        answers[column] = {
            'all': tft_vocabulary(values),
            'top': tft_vocabulary(values, top_k=20),
            'frequent': tft_vocabulary(values, frequency_threshold=3),
        }
    return answers


def string_lookup(question):
    answers = []
    for case in question['cases']:
        layer = keras.layers.StringLookup(vocabulary=case['tokens'], num_oov_indices=case['oovBuckets'], mask_token=case['maskToken'])
        answers.append({'indices': layer(tf.constant(question['values'])).numpy().tolist(), 'cardinality': layer.vocabulary_size()})
    return answers


def table_from_file(question):
    """What InitializeTableFromTextFileV2 makes of a vocabulary file that we wrote."""
    table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(question['file'], tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
        num_oov_buckets=question['oovBuckets'],
    )
    return {'size': int(table.size()), 'indices': table.lookup(tf.constant(question['values'])).numpy().tolist()}


def hashing(question):
    texts = tf.constant(question['texts'])
    integers = tf.constant([int(v) for v in question['integers']], tf.int64)
    return {
        'hashes': [str(int.from_bytes(row.tobytes(), 'little')) for row in tf.fingerprint(texts[:, None], method='farmhash64').numpy()],
        'buckets': {str(n): keras.layers.Hashing(num_bins=n)(texts).numpy().tolist() for n in question['buckets']},
        'integers': {str(n): keras.layers.Hashing(num_bins=n)(integers).numpy().tolist() for n in question['buckets']},
        'fast': {str(n): tf.strings.to_hash_bucket_fast(texts, n).numpy().tolist() for n in question['buckets']},
    }


def numbers(question):
    values = np.array([float(v) for v in question['values']], np.float32)
    finite = values[np.isfinite(values)]
    adapted = keras.layers.Normalization(axis=None)
    adapted.adapt(finite)
    mean, variance = question['mean'], question['variance']
    low, high = np.float32(question['min']), np.float32(question['max'])
    return {
        'adapted': [number(adapted.mean.numpy().ravel()[0]), number(adapted.variance.numpy().ravel()[0])],
        'exact': [float(np.mean(finite.astype(np.float64))), float(np.var(finite.astype(np.float64)))],
        'normalized': [number(v) for v in keras.layers.Normalization(axis=None, mean=mean, variance=variance)(tf.constant(values)).numpy().ravel()],
        'discretized': np.asarray(keras.layers.Discretization(bin_boundaries=question['boundaries'])(tf.constant(values))).ravel().tolist(),
        'bucketized': tf.raw_ops.Bucketize(input=tf.constant(values), boundaries=question['boundaries']).numpy().tolist(),
        'scaled': [number(v) for v in ((tf.constant(values) - low) / (high - low)).numpy()],
        'sigmoid': [number(v) for v in tf.math.sigmoid(tf.constant(values)).numpy()],
        'greater': tf.cast(tf.constant(values) > np.float32(question['threshold']), tf.int32).numpy().tolist(),
    }


def times(question):
    """Hours and days of the week by TensorFlow's integer arithmetic, as exported graphs do it."""
    instants = tf.constant([int(v) for v in question['instants']], tf.int64)
    hours, days = question['unitsPerHour'], question['unitsPerHour'] * 24
    return {
        'hours': tf.math.floormod(tf.math.floordiv(instants, hours), 24).numpy().tolist(),
        'days': tf.math.floormod(tf.math.floordiv(instants, days) + 4, 7).numpy().tolist(),
    }


question = json.load(sys.stdin)
json.dump({
    'airports': airports(question['airports']),
    'stringLookup': string_lookup(question['stringLookup']),
    'tables': [table_from_file(case) for case in question['tables']],
    'hashing': hashing(question['hashing']),
    'numbers': numbers(question['numbers']),
    'times': [times(case) for case in question['times']],
    'oneHot': tf.one_hot(question['oneHot']['indices'], question['oneHot']['depth']).numpy().tolist(),
}, sys.stdout)
