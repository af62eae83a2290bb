"""What TensorFlow answers on raw rows. Arguments: SavedModels, each with a file of TFRecords of the columns of its default signature. Prints JSON."""

import json
import sys

import tensorflow as tf


def feature(dtype):
    # Examples have no other integers, and lack a text that is null.
    stored = tf.int64 if dtype.is_integer else dtype
    return tf.io.FixedLenFeature([], stored, default_value='' if dtype == tf.string else None)


def answers(url, file):
    signatures = tf.saved_model.load(url).signatures
    records = tf.constant([record.numpy() for record in tf.data.TFRecordDataset(file)])
    specs = signatures['serving_default'].structured_input_signature[1]
    columns = tf.io.parse_example(records, {name: feature(spec.dtype) for name, spec in specs.items()})
    rows = {name: tf.cast(columns[name], spec.dtype) if spec.dtype.is_integer else columns[name] for name, spec in specs.items()}
    answered = {'values': signatures['serving_default'](**rows), 'examples': signatures['serving_examples'](examples=records)}
    return {name: [float(value) for value in tf.reshape(answer['probability'], [-1])] for name, answer in answered.items()}


pairs = sys.argv[1:]
print(json.dumps([answers(url, file) for url, file in zip(pairs[::2], pairs[1::2])]))
