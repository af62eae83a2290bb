"""TensorFlow's and Polars' side of the csv suite: reads JSON commands, one a line, and answers each with one line of JSON."""

import json
import sys
import time
import zlib

import numpy as np

PEER = sys.argv[1]


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu}


def add_strings(sum, texts):
    sum[0] = zlib.crc32(b''.join(texts), sum[0])
    sum[1] = zlib.crc32(np.array([len(text) for text in texts], np.int32).tobytes(), sum[1])


def digest(rows, sums):
    return {'rows': rows, 'columns': {name: f'{a}/{b}' for name, (a, b) in sums.items()}}


if PEER == 'tensorflow':
    import tensorflow as tf

    # One thread, as our reader has.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def dataset(command):
        options = tf.data.Options()
        options.threading.private_threadpool_size = 1
        options.autotune.enabled = False
        dtypes = [tf.string if kind == 'utf8' else tf.as_dtype(kind) for kind in command['kinds'].values()]
        rows = tf.data.experimental.CsvDataset(command['file'], dtypes, header=True, buffer_size=1 << 20)
        return rows.batch(4096).with_options(options)

    def read(command):
        rows = dataset(command)
        return timed(lambda: all(True for _ in rows))

    def check(command):
        rows, sums = 0, {name: [0, 0] for name in command['kinds']}
        for batch in dataset(command):
            for (name, kind), column in zip(command['kinds'].items(), batch):
                values = column.numpy()
                if kind == 'utf8':
                    add_strings(sums[name], list(values))
                else:
                    sums[name][0] = zlib.crc32(values.tobytes(), sums[name][0])
            rows += int(values.shape[0])
        return digest(rows, sums)

    VERSION = tf.__version__
else:
    import polars as pl

    KINDS = {'utf8': pl.String, 'int32': pl.Int32, 'int64': pl.Int64, 'float32': pl.Float32, 'float64': pl.Float64}

    def frame(command):
        return pl.read_csv(command['file'], schema={name: KINDS[kind] for name, kind in command['kinds'].items()})

    def read(command):
        return timed(lambda: frame(command))

    def check(command):
        table = frame(command)
        sums = {name: [0, 0] for name in command['kinds']}
        for name, kind in command['kinds'].items():
            if kind == 'utf8':
                add_strings(sums[name], [text.encode() for text in table[name].to_list()])
            else:
                sums[name][0] = zlib.crc32(table[name].to_numpy().tobytes(), 0)
        return digest(table.height, sums)

    VERSION = pl.__version__

COMMANDS = {'read': read, 'check': check, 'version': lambda _: {'version': VERSION}}
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(COMMANDS[request['do']](request)), flush=True)
