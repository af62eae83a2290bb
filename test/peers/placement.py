"""What TensorFlow does with variables on parameter servers: places, partitioned lookups, their gradients and errors. JSON in, JSON out."""
import base64
import json
import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
given = json.load(sys.stdin)


class Greedy:
    """`GreedyLoadBalancingStrategy` with `byte_size_load_fn`, which TensorFlow 2 no longer has."""

    def __init__(self, tasks):
        self.loads = np.zeros(tasks)

    def __call__(self, op):
        task = int(np.argmin(self.loads))
        shape = tf.TensorShape(op.get_attr('shape'))
        self.loads[task] += shape.num_elements() * op.get_attr('dtype').size
        return task


def places(case):
    strategy = Greedy(case['ps']) if case['strategy'] == 'greedy' else None
    with tf.Graph().as_default():
        with v1.device(v1.train.replica_device_setter(ps_tasks=case['ps'], worker_device='/job:worker/task:1', ps_strategy=strategy)):
            variables = []
            for name, shape in case['variables']:
                parts = case['parts'].get(name)
                partitioner = v1.fixed_size_partitioner(parts) if parts else None
                variables.append(v1.get_variable(name, shape, use_resource=True, partitioner=partitioner))
            step = v1.train.get_or_create_global_step()
            loss = v1.add_n([v1.reduce_sum(part) for whole in variables for part in (whole if hasattr(whole, '_get_variable_list') else [whole])])
            v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        return {variable.op.name: variable.device for variable in v1.global_variables()}, loss.device


def lookup(case):
    """`tf.nn.embedding_lookup` in the same parts, beside our graph of the same lookup."""
    ids, seed = np.array(case['ids'], np.int32), np.array(case['seed'], np.float32)
    result = {}
    with tf.Graph().as_default(), v1.Session() as session:
        parts = [v1.get_variable('theirs_%d' % i, initializer=np.array(part, np.float32), use_resource=True) for i, part in enumerate(case['parts'])]
        looked = v1.nn.embedding_lookup(parts, ids, partition_strategy=case['layout'])
        slices = v1.gradients(looked, parts, tf.constant(seed))
        session.run(v1.global_variables_initializer())
        value, gradients = session.run([looked, [(g.values, g.indices) for g in slices]])
        result['value'] = value.tolist()
        result['gradients'] = [dense(values, indices, len(part)) for (values, indices), part in zip(gradients, case['parts'])]
        result['errors'] = []
        for bad in case['bad']:
            try:
                session.run(v1.nn.embedding_lookup(parts, tf.constant([0, bad]), partition_strategy=case['layout']))
                result['errors'].append(None)
            except tf.errors.OpError as error:
                result['errors'].append(type(error).__name__)
    return result


def dense(values, indices, rows):
    sums = np.zeros((rows,) + values.shape[1:], values.dtype)
    np.add.at(sums, indices, values)
    return sums.tolist()


def differentiate(case):
    """tf.gradients of nodes of our graph."""
    definition = v1.GraphDef()
    definition.ParseFromString(base64.b64decode(case['graph']))
    with tf.Graph().as_default() as graph, v1.Session() as session:
        tf.import_graph_def(definition, name='')
        tensor = graph.get_tensor_by_name
        theirs = v1.gradients([tensor(y) for y in case['ys']], [tensor(x) for x in case['xs']], [tensor(seed) for seed in case['seeds']])
        ours, theirs = session.run([[tensor(name) for name in case['ours']], theirs])
        return [{'ours': a.tolist(), 'theirs': b.tolist()} for a, b in zip(ours, theirs)]


print(json.dumps({
    'places': [places(case) for case in given['places']],
    'lookups': [lookup(case) for case in given['lookups']],
    'gradients': [differentiate(case) for case in given['gradients']],
}))
