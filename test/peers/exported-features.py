"""Runs exported models in every way that TensorFlow and Keras load them, beside the Keras layers that their features stand for.

Takes the folder of the models; reads JSON on standard input, writes JSON on standard output.
"""
import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
folder = sys.argv[1]
question = json.load(sys.stdin)
texts = tf.constant([value.encode() for value in question['texts']])
numbers = tf.constant(np.array([float(value) for value in question['numbers']], np.float32))
integers = tf.constant(np.array([int(value) for value in question['integers']], np.int64))
raw = {'text': texts, 'number': numbers, 'integer': integers, **{f'instant_{unit}': integers for unit in question['units']}}


def plain(values):
    values = np.asarray(values)
    return {'dtype': values.dtype.name, 'shape': list(values.shape), 'values': [str(value) if values.dtype.kind == 'f' else int(value) for value in values.reshape(-1)]}


def keras_layers():
    answers = {}
    for case in question['lookups']:
        layer = keras.layers.StringLookup(vocabulary=case['tokens'], num_oov_indices=case['oovBuckets'], mask_token=case['maskToken'])
        answers[case['name']] = layer(texts)
    answers['hashed'] = keras.layers.Hashing(num_bins=question['buckets'])(texts)
    answers['hashed_integer'] = keras.layers.Hashing(num_bins=question['buckets'])(integers)
    answers['scaled'] = tf.reshape(keras.layers.Normalization(axis=None, mean=question['mean'], variance=question['variance'])(numbers), [-1])
    answers['constant'] = tf.reshape(keras.layers.Normalization(axis=None, mean=3.0, variance=0.0)(numbers), [-1])
    answers['bucket'] = tf.reshape(keras.layers.Discretization(bin_boundaries=question['boundaries'])(numbers), [-1])
    answers['scaled_integer'] = tf.reshape(keras.layers.Normalization(axis=None, mean=0.5, variance=4.0)(integers), [-1])
    # By Python's integers, which have no width.
    for unit, second in question['units'].items():
        instants = [int(value) for value in question['integers']]
        answers[f'hour_{unit}'] = [instant // (3600 * second) % 24 for instant in instants]
        answers[f'weekday_{unit}'] = [(instant // (86400 * second) + 4) % 7 for instant in instants]
    return {name: plain(value) for name, value in answers.items()}


def example(index):
    out = tf.train.Example()
    out.features.feature['text'].bytes_list.value.append(texts[index].numpy())
    out.features.feature['number'].float_list.value.append(float(numbers[index]))
    for name in raw:
        if name not in ('text', 'number'):
            out.features.feature[name].int64_list.value.append(int(integers[index]))
    return out.SerializeToString()


def every_way(url):
    answers = {}
    loaded = tf.saved_model.load(url)
    examples = tf.constant([example(index) for index in range(len(question['texts']))])
    answers['tf.saved_model.load'] = loaded.signatures['serving_default'](**raw)
    answers['examples'] = loaded.signatures['serving_examples'](examples=examples)
    # Keras calls an endpoint with one argument, so it reaches the signature of one input; others by the function itself.
    answers['TFSMLayer'] = keras.layers.TFSMLayer(url, call_endpoint='serving_examples')(examples)
    answers['TFSMLayer, by name'] = keras.layers.TFSMLayer(url, call_endpoint='serving_default').call_endpoint_fn(**raw)
    with v1.Session(graph=tf.Graph()) as session:
        signature = v1.saved_model.load(session, ['serve'], url).signature_def['serving_default']
        fetches = {name: info.name for name, info in signature.outputs.items()}
        answers['v1'] = session.run(fetches, {signature.inputs[name].name: value.numpy() for name, value in raw.items()})
    empty = {name: value[:0] for name, value in raw.items()}
    one = {name: value[:1] for name, value in raw.items()}
    answers['no rows'] = loaded.signatures['serving_default'](**empty)
    answers['one row'] = loaded.signatures['serving_default'](**one)
    return {way: {name: plain(value) for name, value in outputs.items()} for way, outputs in answers.items()}


def strange(case):
    """A model with names that only JavaScript would take, and what it gives."""
    loaded = tf.saved_model.load(case['url'])
    signature = loaded.signatures['serving_default']
    feeds = {name: tf.constant([value.encode() if isinstance(value, str) else value for value in values], dtype=getattr(tf, case['dtypes'][name])) for name, values in case['columns'].items()}
    with v1.Session(graph=tf.Graph()) as session:
        definition = v1.saved_model.load(session, ['serve'], case['url']).signature_def['serving_default']
        first = session.run({name: info.name for name, info in definition.outputs.items()}, {definition.inputs[name].name: value.numpy() for name, value in feeds.items()})
    inputs = signature.structured_input_signature[1]
    second = signature(**feeds)
    return {'v1': {name: plain(value) for name, value in first.items()}, 'v2': {name: plain(value) for name, value in second.items()}, 'inputs': sorted(inputs)}


json.dump({
    'keras': keras_layers(),
    'exported': every_way(os.path.join(folder, 'features', '1')),
    'strange': strange(question['strange']),
}, sys.stdout)
