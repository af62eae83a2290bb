"""Python's side of the time-to-loss suite: reads JSON commands, one a line, and answers each with one line of JSON.

Argument: session (tf.compat.v1, one process a worker) or strategy (ParameterServerStrategy, one coordinator).
"""

import glob
import json
import os
import sys
import time

import numpy as np
import tensorflow as tf

CATEGORIES = ['origin', 'destination', 'originState', 'destinationState', 'hour', 'weekday']
COLUMNS = {**{name: tf.io.FixedLenFeature([], tf.int64) for name in [*CATEGORIES, 'late']}, 'distance': tf.io.FixedLenFeature([], tf.float32)}
EVALUATION_ROWS = 1024


def records(files):
    return tf.data.TFRecordDataset(sorted(glob.glob(files)))


class SessionPeer:
    """A worker of tf.compat.v1: a session that runs a step a call; the first of them measures."""

    def open(self, command):
        self.command = command
        self.training = self.session('training')
        self.evaluation = self.session('evaluation')
        dataset = tf.compat.v1.data.make_one_shot_iterator(records(command['validation']).batch(EVALUATION_ROWS).map(lambda rows: tf.io.parse_example(rows, COLUMNS)))
        following, self.batches = dataset.get_next(), []
        with tf.compat.v1.Session() as local:
            while True:
                try:
                    self.batches.append(local.run(following))
                except tf.errors.OutOfRangeError:
                    return

    def session(self, name):
        definition = tf.compat.v1.GraphDef()
        with open(self.command[name], 'rb') as file:
            definition.ParseFromString(file.read())
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(definition, name='')
        config = tf.compat.v1.ConfigProto(allow_soft_placement=True, device_filters=self.command['deviceFilters'])
        return tf.compat.v1.Session(self.command['target'], graph=graph, config=config)

    def initialize(self, command):
        self.training.run(self.training.graph.get_operation_by_name(self.command['initialize']))

    def evaluate(self):
        graph = self.evaluation.graph
        loss = graph.get_tensor_by_name(self.command['loss'])
        placeholders = {column: graph.get_tensor_by_name(name) for column, name in self.command['feeds'].items()}
        total, rows = 0.0, 0
        for batch in self.batches:
            size = len(batch['late'])
            feeds = {placeholder: batch[column].reshape([-1 if d is None else d for d in placeholder.shape.as_list()]) for column, placeholder in placeholders.items()}
            total, rows = total + float(self.evaluation.run(loss, feeds)) * size, rows + size
        return total / rows

    def train(self, command):
        graph, cpu = self.training.graph, time.process_time()
        train, global_step = graph.get_operation_by_name(self.command['train']), graph.get_tensor_by_name(self.command['globalStep'])
        self.training.run(graph.get_operation_by_name(self.command['openInput']))
        curve, measured, step = [], 0, 0
        while step < command['steps']:
            _, step = self.training.run([train, global_step])
            if command['measures'] and step - measured >= command['everySteps']:
                measured = int(step)
                loss = self.evaluate()
                curve.append({'at': time.time(), 'step': measured, 'loss': loss})
        return {'curve': curve, 'cpu': time.process_time() - cpu}


class StrategyPeer:
    """ParameterServerStrategy: a coordinator that schedules several steps at a time."""

    def open(self, command):
        self.command = command
        cluster = tf.train.ClusterSpec({job: list(addresses) for job, addresses in command['cluster'].items()})
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, rpc_layer='grpc')
        strategy = tf.distribute.ParameterServerStrategy(resolver)
        self.coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
        model = command['model']
        first = [np.array(weight['values'], np.float32).reshape(weight['shape']) for weight in model['weights']]
        with strategy.scope():
            weights = [tf.Variable(value) for value in first]
            moments = [(tf.Variable(np.zeros_like(value)), tf.Variable(np.zeros_like(value))) for value in first]
            count = tf.Variable(0.0)
        *tables, hidden, hidden_bias, last, last_bias = weights

        def logits(batch, drop):
            looked = [tf.gather(table, batch[name]) for table, name in zip(tables, CATEGORIES)]
            joined = drop(tf.concat([*looked, batch['distance'][:, None]], 1))
            return (drop(tf.nn.relu(joined @ hidden + hidden_bias)) @ last + last_bias)[:, 0]

        def entropy(batch, drop):
            return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(batch['late'], tf.float32), logits(batch, drop)))

        def step(batch):
            with tf.GradientTape() as tape:
                penalty = model['l2'] * tf.add_n([tf.reduce_sum(tf.square(weight)) for weight in [*tables, hidden]])
                loss = entropy(batch, lambda values: tf.nn.dropout(values, 0.1)) + penalty
            gradients = tape.gradient(loss, weights)
            done = count.assign_add(1.0)
            for weight, (mean, square), gradient in zip(weights, moments, gradients):
                with tf.device(weight.device):
                    tf.raw_ops.ResourceApplyAdam(
                        var=weight.handle, m=mean.handle, v=square.handle, beta1_power=tf.pow(0.9, done), beta2_power=tf.pow(0.999, done),
                        lr=model['learningRate'], beta1=0.9, beta2=0.999, epsilon=1e-7, grad=tf.convert_to_tensor(gradient))

        @tf.function
        def steps(iterator):
            for _ in tf.range(command['stepsPerSchedule']):
                step(next(iterator))

        @tf.function
        def measure(batch):
            return entropy(batch, lambda values: values)

        def dataset():
            shuffled = records(command['train']).repeat().shuffle(model['shuffle'])
            return shuffled.batch(model['batch'], drop_remainder=True).map(lambda rows: tf.io.parse_example(rows, COLUMNS)).prefetch(2)

        self.iterator = iter(self.coordinator.create_per_worker_dataset(dataset))
        self.steps, self.measure = steps, measure
        self.batches = list(records(command['validation']).batch(EVALUATION_ROWS).map(lambda rows: tf.io.parse_example(rows, COLUMNS)))

    def train(self, command):
        cpu, curve = time.process_time(), []
        per_schedule = self.command['stepsPerSchedule']
        block = max(1, command['everySteps'] // per_schedule)
        for step in range(block * per_schedule, command['steps'] + 1, block * per_schedule):
            for _ in range(block):
                self.coordinator.schedule(self.steps, args=(self.iterator,))
            self.coordinator.join()
            sizes = [int(batch['late'].shape[0]) for batch in self.batches]
            losses = [float(self.measure(batch)) for batch in self.batches]
            curve.append({'at': time.time(), 'step': step, 'loss': float(np.average(losses, weights=sizes))})
        return {'curve': curve, 'cpu': time.process_time() - cpu}


kind = sys.argv[1]
if kind == 'session':
    tf.compat.v1.disable_eager_execution()
peer = {'session': SessionPeer, 'strategy': StrategyPeer}[kind]()
for line in sys.stdin:
    request = json.loads(line)
    answer = tf.__version__ if request['do'] == 'version' else getattr(peer, request['do'])(request)
    print(json.dumps(answer), flush=True)
# TensorFlow has no way to end a server, and waits for it.
os._exit(0)
