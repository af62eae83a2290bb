"""pyarrow's and Polars' side of the parquet suite: reads JSON commands, one a line, and answers each with one line of JSON."""

import json
import sys
import time
import zlib

import numpy as np

PEER = sys.argv[1]
# What our writer has by default.
GROUP_ROWS = 131_072


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu}


if PEER == 'pyarrow':
    import pyarrow as pa
    import pyarrow.parquet as pq

    # One thread, as our reader has.
    def load(command):
        return pq.read_table(command['file'], use_threads=False)

    def store(table, command):
        pq.write_table(table, command['out'], compression='snappy', row_group_size=GROUP_ROWS, write_page_index=True)

    VERSION = pa.__version__
else:
    import polars as pl

    def load(command):
        return pl.read_parquet(command['file'])

    def store(table, command):
        table.write_parquet(command['out'], compression='snappy', row_group_size=GROUP_ROWS)

    VERSION = pl.__version__


def check(command):
    table = load(command)
    columns = {}
    for name, kind in command['kinds'].items():
        values = table[name].to_pylist() if PEER == 'pyarrow' else table[name].to_list()
        if kind in ('utf8', 'dictionary'):
            texts = [(value or '').encode() for value in values]
            columns[name] = f"{zlib.crc32(b''.join(texts))}/{zlib.crc32(np.array([len(text) for text in texts], np.int32).tobytes())}"
        else:
            columns[name] = f"{zlib.crc32(np.array([value or 0 for value in values], kind).tobytes())}/0"
    return {'rows': len(values), 'columns': columns}


loaded = {}


def write(command):
    return timed(lambda: store(loaded['table'], command))


COMMANDS = {'load': lambda command: loaded.update(table=load(command)), 'write': write, 'read': lambda command: timed(lambda: load(command)), 'check': check, 'version': lambda _: {'version': VERSION}}
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(COMMANDS[request['do']](request)), flush=True)
