"""TensorFlow's side of the tfrecord suite: reads JSON commands, one a line, and answers each with one line of JSON."""

import json
import os
import sys
import time
import zlib

import numpy as np
import tensorflow as tf

# One thread, as our reader has: what is compared is the work for a record, not the number of cores.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
DTYPES = {'float': tf.float32, 'int': tf.int64, 'bytes': tf.string}


CONTEXT = {'user': tf.io.FixedLenFeature([], tf.int64), 'country': tf.io.FixedLenFeature([], tf.string)}
LISTS = {'price': tf.io.RaggedFeature(tf.float32), 'item': tf.io.RaggedFeature(tf.int64), 'tags': tf.io.RaggedFeature(tf.int64)}


def parse_sequences(batch):
    context, lists, _ = tf.io.parse_sequence_example(batch, CONTEXT, LISTS)
    return {**context, **lists}


def spec(kind, may_lack):
    if kind.endswith(' list'):
        return tf.io.RaggedFeature(DTYPES[kind.removesuffix(' list')])
    return tf.io.FixedLenFeature([], DTYPES[kind], default_value=0 if may_lack else None)


def dataset(command):
    is_sequences = command['schema'] == 'sequences'
    specs = {} if is_sequences else {name: spec(kind, command['schema'] == 'sparse') for name, kind in command['features'].items()}
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    records = tf.data.TFRecordDataset(command['file'], compression_type=command.get('compression', ''), buffer_size=1 << 20)
    return records.batch(command['batch']).map(parse_sequences if is_sequences else lambda batch: tf.io.parse_example(batch, specs)).with_options(options)


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu}


def read(command):
    records = dataset(command)
    return timed(lambda: all(True for _ in records))


def check(command):
    rows = 0
    sums = {name: [0, 0] for name in command['features']}
    for batch in dataset(command):
        for name, kind in command['features'].items():
            sum = sums[name]
            if kind.endswith('list'):
                ragged = batch[name]
                # Each step is a list, of one value where that is all it has.
                lengths = ragged.values.row_lengths() if name == 'tags' else ragged.row_lengths()
                sum[0] = zlib.crc32(ragged.flat_values.numpy().tobytes(), sum[0])
                sum[1] = zlib.crc32(lengths.numpy().astype(np.int32).tobytes(), sum[1])
                continue
            values = batch[name].numpy()
            if kind == 'bytes':
                sum[0] = zlib.crc32(b''.join(values), sum[0])
                sum[1] = zlib.crc32(np.array([len(value) for value in values], np.int32).tobytes(), sum[1])
            else:
                sum[0] = zlib.crc32(values.tobytes(), sum[0])
        rows += int(batch[next(iter(command['features']))].shape[0])
    return {'rows': rows, 'columns': {name: f'{a}/{b}' for name, (a, b) in sums.items()}}


def write(command):
    """Reads a file into Python values (once), then times writing them as examples."""
    kinds = command['features']
    rows = []
    for batch in dataset(command).take(command['batches']):
        columns = {name: batch[name].numpy().tolist() for name in kinds}
        rows += [{name: columns[name][i] for name in kinds} for i in range(len(columns[next(iter(kinds))]))]
    cost = timed(lambda: write_rows(command['out'], kinds, rows))
    return {**cost, 'bytes': os.path.getsize(command['out'])}


def write_rows(file, kinds, rows):
    with tf.io.TFRecordWriter(file) as writer:
        for row in rows:
            features = {}
            for name, kind in kinds.items():
                value = [row[name]]
                if kind == 'float':
                    features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=value))
                elif kind == 'int':
                    features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                else:
                    features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


COMMANDS = {'read': read, 'check': check, 'write': write, 'version': lambda _: {'version': tf.__version__}}
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(COMMANDS[request['do']](request)), flush=True)
