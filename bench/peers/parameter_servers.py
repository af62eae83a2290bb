"""Python's side of the parameter-servers suite: reads JSON commands, one a line, and answers each with one line of JSON.

Argument: session (tf.compat.v1, outside or inside a server's process), strategy (ParameterServerStrategy) or keras.
"""

import json
import os
import sys
import threading
import time

import numpy as np
import tensorflow as tf

BATCHES = 16
BATCH, WIDTH, UNITS, HIDDEN, LEARNING_RATE = 512, 4, 16, 64, 0.1


def batch(index, rows):
    ids = ((index * 7919 + np.arange(BATCH * WIDTH, dtype=np.int64) * 104729) % rows).astype(np.float32).reshape(BATCH, WIDTH)
    return ids, (ids[:, :1] % 3 == 0).astype(np.float32)


def first_weight(*shape):
    size = int(np.prod(shape))
    return (0.05 * np.sin(np.arange(size) * 0.7 + size)).astype(np.float32).reshape(shape)


def weights(rows):
    return [first_weight(rows, UNITS), first_weight(UNITS * WIDTH, HIDDEN), first_weight(HIDDEN), first_weight(HIDDEN, 1), first_weight(1)]


def timed(calls, steps_per_call, call, in_flight=1):
    times = np.empty(calls)
    indices = iter(range(calls))

    def one_after_another():
        before = time.perf_counter()
        for index in indices:
            call(index)
            now = time.perf_counter()
            times[index] = now - before
            before = now

    cpu, start = time.process_time(), time.perf_counter()
    threads = [threading.Thread(target=one_after_another) for _ in range(in_flight - 1)]
    for thread in threads:
        thread.start()
    one_after_another()
    for thread in threads:
        thread.join()
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    times.sort()
    p50, p99 = (float(times[min(calls - 1, int(calls * share))]) * 1000 for share in (0.5, 0.99))
    return {'wall': wall, 'cpu': cpu, 'steps': calls * steps_per_call, 'p50': p50, 'p99': p99}


class SessionPeer:
    """A tf.compat.v1 session that runs the very bytes that ours runs."""

    session = None

    def serve(self, command):
        cluster = {job: list(addresses) for job, addresses in command['cluster'].items()}
        self.server = tf.distribute.Server(cluster, job_name='worker', task_index=command['task'], protocol='grpc', start=True)
        return self.server.target

    def open(self, command):
        if self.session is not None:
            self.session.close()
        definition = tf.compat.v1.GraphDef()
        with open(command['graph'], 'rb') as file:
            definition.ParseFromString(file.read())
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(definition, name='')
        config = tf.compat.v1.ConfigProto(allow_soft_placement=True, device_filters=command['deviceFilters'])
        self.session = tf.compat.v1.Session(command['target'], graph=graph, config=config)
        if command.get('initialize'):
            self.session.run([graph.get_operation_by_name(name) for name in command['initialize']])
        train = graph.get_operation_by_name(command['train'])
        fetches = [graph.get_tensor_by_name(command['loss']), train] if command.get('loss') else train
        feeds = [None]
        if command.get('id'):
            names = [graph.get_tensor_by_name(command[key]) for key in ('id', 'label')]
            feeds = [dict(zip(names, batch(index, command['rows']))) for index in range(BATCHES)]
        self.step = lambda index: self.repeated(fetches, feeds[index % len(feeds)])
        self.counted = [graph.get_tensor_by_name(command['globalStep']), train] if command.get('globalStep') else None
        self.steps_per_call = command['stepsPerCall']

    def repeated(self, fetches, feeds):
        """Servers sporadically refuse a step of any client as one that they have seen; every contender runs it again."""
        while True:
            try:
                return self.session.run(fetches, feeds)
            except tf.errors.AbortedError as error:
                if 'was received twice' not in str(error):
                    raise

    def check(self, command):
        return [float(self.step(index)[0]) for index in range(command['steps'])]

    def steps(self, command):
        in_flight = command.get('inFlight', 1)
        if in_flight == 1:
            return timed(command['calls'], self.steps_per_call, self.step)
        known, stale = [0], []

        def counted(_):
            before = known[0]
            at = int(self.repeated(self.counted, None)[0])
            # What was known when it started is older than what it read.
            if before > 0:
                stale.append(at - before - self.steps_per_call)
            known[0] = max(known[0], at)

        return {**timed(command['calls'], self.steps_per_call, counted, in_flight), 'staleness': sum(stale) / max(1, len(stale))}


class StrategyPeer:
    """ParameterServerStrategy on the same servers: steps are scheduled, not waited for one by one."""

    def open(self, command):
        cluster = {job: list(addresses) for job, addresses in command['cluster'].items()}
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(tf.train.ClusterSpec(cluster), rpc_layer='grpc')
        strategy = tf.distribute.ParameterServerStrategy(resolver)
        self.coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
        rows = command['rows']
        with strategy.scope():
            self.variables = [tf.Variable(value) for value in weights(rows)]
        variables = self.variables

        def step(ids, labels):
            with tf.GradientTape() as tape:
                looked = tf.reshape(tf.gather(variables[0], tf.cast(ids, tf.int32)), [-1, UNITS * WIDTH])
                hidden = tf.nn.relu(looked @ variables[1] + variables[2])
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, hidden @ variables[3] + variables[4]))
            for variable, gradient in zip(variables, tape.gradient(loss, variables)):
                if isinstance(gradient, tf.IndexedSlices):
                    variable.scatter_sub(tf.IndexedSlices(LEARNING_RATE * gradient.values, gradient.indices))
                else:
                    variable.assign_sub(LEARNING_RATE * gradient)
            return loss

        @tf.function
        def fed(ids, labels):
            return step(ids, labels)

        @tf.function
        def drawn(steps):
            loss = tf.constant(0.0)
            for _ in tf.range(steps):
                ids = tf.random.uniform([BATCH, WIDTH], 0, rows, tf.int32)
                labels = tf.cast(tf.random.uniform([BATCH, 1], 0, 2, tf.int32), tf.float32)
                loss = step(ids, labels)
            return loss

        @tf.function
        def read(iterator, steps):
            loss = tf.constant(0.0)
            for _ in tf.range(steps):
                loss = step(*next(iterator))
            return loss

        self.fed, self.drawn, self.read = fed, drawn, read
        if command.get('file'):
            parsed = {'id': tf.io.FixedLenFeature([WIDTH], tf.float32), 'y': tf.io.FixedLenFeature([], tf.float32)}

            def batches():
                parse = lambda records: tf.io.parse_example(records, parsed)
                both = lambda columns: (columns['id'], tf.reshape(columns['y'], [-1, 1]))
                return tf.data.TFRecordDataset(command['file']).repeat().batch(BATCH).map(parse).map(both).prefetch(2)

            self.iterator = iter(self.coordinator.create_per_worker_dataset(batches))
        self.batches = [batch(index, rows) for index in range(BATCHES)]

    def schedule(self, input, index, per_call):
        if input == 'fed':
            return self.coordinator.schedule(self.fed, args=self.batches[index % BATCHES])
        if input == 'drawn':
            return self.coordinator.schedule(self.drawn, args=(tf.constant(per_call),))
        return self.coordinator.schedule(self.read, args=(self.iterator, tf.constant(per_call)))

    def check(self, command):
        return [float(self.schedule(command['input'], index, 1).fetch()) for index in range(command['steps'])]

    def steps(self, command):
        cpu, start = time.process_time(), time.perf_counter()
        per_call = command['stepsPerCall']
        for index in range(command['calls']):
            self.schedule(command['input'], index, per_call)
        self.coordinator.join()
        return {'wall': time.perf_counter() - start, 'cpu': time.process_time() - cpu, 'steps': command['calls'] * per_call}


class KerasPeer:
    """Keras fit in one process."""

    def open(self, command):
        rows = command['rows']
        layers = tf.keras.layers
        self.model = tf.keras.Sequential([
            layers.Input((WIDTH,)), layers.Embedding(rows, UNITS), layers.Flatten(), layers.Dense(HIDDEN, activation='relu'), layers.Dense(1, activation='sigmoid'),
        ])
        self.model.set_weights(weights(rows))
        self.model.compile(loss='binary_crossentropy', optimizer=tf.keras.optimizers.SGD(LEARNING_RATE))
        self.batches = [batch(index, rows) for index in range(BATCHES)]

    def check(self, command):
        losses = []
        for index in range(command['steps']):
            ids, labels = self.batches[index]
            losses.append(float(self.model.fit(ids, labels, batch_size=BATCH, epochs=1, shuffle=False, verbose=0).history['loss'][0]))
        return losses

    def steps(self, command):
        turns = -(-command['calls'] // BATCHES)
        ids, labels = (np.concatenate([part[index] for part in self.batches] * turns) for index in (0, 1))
        cpu, start = time.process_time(), time.perf_counter()
        self.model.fit(ids, labels, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
        return {'wall': time.perf_counter() - start, 'cpu': time.process_time() - cpu, 'steps': turns * BATCHES}


kind = sys.argv[1]
if kind == 'session':
    tf.compat.v1.disable_eager_execution()
peer = {'session': SessionPeer, 'strategy': StrategyPeer, 'keras': KerasPeer}[kind]()
for line in sys.stdin:
    request = json.loads(line)
    answer = tf.__version__ if request['do'] == 'version' else getattr(peer, request['do'])(request)
    print(json.dumps(answer), flush=True)
# TensorFlow has no way to end a server, and waits for it.
os._exit(0)
