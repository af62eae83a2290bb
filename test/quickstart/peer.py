"""The quickstart's model in the real TensorFlow, on the whole test split: argv is the quickstart's folder; prints JSON."""

import json
import sys

import numpy as np
import tensorflow as tf

folder = sys.argv[1]
report = json.load(open(f'{folder}/report.json'))
records = [record.numpy() for record in tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(f'{folder}/test-*-of-*')))]
raw = tf.io.parse_example(records, {
    'date': tf.io.FixedLenFeature([], tf.int64),
    'distance': tf.io.FixedLenFeature([], tf.float32),
    'delay': tf.io.FixedLenFeature([], tf.int64),
    **{name: tf.io.FixedLenFeature([], tf.string, default_value='') for name in ('origin', 'destination', 'originState', 'destinationState')},
})
columns = {name: raw[name] for name in report['savedModel']['signatures']['serving_default']['inputs']}
# Airports that nobody has heard of.
strange = dict(columns, origin=tf.fill([len(records)], 'ZZZ-unknown'), destination=tf.fill([len(records)], 'Łódź'))

model = tf.saved_model.load(report['savedModel']['url'])
values = model.signatures['serving_default']
examples = model.signatures['serving_examples']


def as_strange(record):
    example = tf.train.Example.FromString(record)
    for name, airport in (('origin', 'ZZZ-unknown'), ('destination', 'Łódź')):
        example.features.feature[name].bytes_list.value[:] = [airport.encode()]
    return example.SerializeToString()


def frozen(feeds):
    graph = tf.Graph()
    with graph.as_default():
        definition = tf.compat.v1.GraphDef()
        definition.ParseFromString(open(report['frozenGraph']['url'], 'rb').read())
        tf.import_graph_def(definition, name='')
        with tf.compat.v1.Session() as session:
            session.run(report['frozenGraph']['initializer'])
            signature = report['frozenGraph']['signatures']['serving_default']
            feed = {signature['inputs'][name]['tensor']: value.numpy() for name, value in feeds.items()}
            return session.run(signature['outputs']['probability']['tensor'], feed)


def training(part, compression):
    files = sorted(tf.io.gfile.glob(f'{folder}/{part}-*-of-*'))
    rows = [record.numpy() for record in tf.data.TFRecordDataset(files, compression)]
    names = ['origin', 'destination', 'originState', 'destinationState', 'hour', 'weekday', 'late']
    parsed = tf.io.parse_example(rows, {**{name: tf.io.FixedLenFeature([], tf.int64) for name in names}, 'distance': tf.io.FixedLenFeature([], tf.float32)})
    return {'rows': len(rows), 'sums': {name: float(np.sum(parsed[name].numpy().astype(np.float64))) for name in [*names, 'distance']}}


def events(path):
    tags = set()
    for file in tf.io.gfile.glob(f'{path}/*'):
        for event in tf.compat.v1.train.summary_iterator(file):
            tags.update(value.tag for value in event.summary.value)
    return sorted(tags)


flat = lambda array: [float(value) for value in np.reshape(array, [-1])]
print(json.dumps({
    'values': flat(values(**columns)['probability']),
    'examples': flat(examples(examples=tf.constant(records))['probability']),
    'strange': flat(values(**strange)['probability']),
    'strangeExamples': flat(examples(examples=tf.constant([as_strange(record) for record in records]))['probability']),
    'frozen': flat(frozen(columns)),
    'frozenStrange': flat(frozen(strange)),
    'train': training('train', 'GZIP'),
    'validation': training('validation', ''),
    'events': {part: events(f'{folder}/tensorboard/seed-1/{part}') for part in ('train', 'validation')},
}))
