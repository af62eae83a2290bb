"""The peer of `npm run bench -- wire-bytes`: a tf.compat.v1 session that trains a partitioned embedding on the same servers."""
import json
import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
state = {}


def open_session(command):
    rows, width, ps = command['rows'], command['width'], command['ps']
    with v1.device(v1.train.replica_device_setter(ps_tasks=ps, worker_device='/job:worker/task:0')):
        with v1.variable_scope('peer', reuse=False):
            uniform = v1.random_uniform_initializer(-0.05, 0.05)
            table = v1.get_variable('table', [rows, width], initializer=uniform, partitioner=v1.fixed_size_partitioner(ps), use_resource=True)
            kernel = v1.get_variable('kernel', [width, 1], use_resource=True)
            bias = v1.get_variable('bias', [1], initializer=v1.zeros_initializer(), use_resource=True)
        ids = v1.placeholder(tf.int32, [None])
        rows_of = v1.nn.embedding_lookup(table, ids, partition_strategy=command['layout'])
        loss = tf.reduce_mean(tf.square(tf.matmul(rows_of, kernel) + bias - 1.0))
        train = v1.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=v1.train.get_or_create_global_step())
    state.update(session=v1.Session(command['target']), ids=ids, train=train, initialize=v1.global_variables_initializer())


def run_steps(command):
    for batch in command['batches']:
        state['session'].run(state['train'], {state['ids']: np.array(batch, np.int32)})


def close(_):
    state.pop('session').close()
    v1.reset_default_graph()


COMMANDS = {'open': open_session, 'initialize': lambda _: state['session'].run(state['initialize']), 'steps': run_steps, 'close': close}
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(COMMANDS[request['do']](request)), flush=True)
