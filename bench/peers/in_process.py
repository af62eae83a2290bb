"""Keras' side of the suite in-process: reads JSON commands, one a line, and answers each with one line of JSON."""

import json
import os
import sys
import time

os.environ['KERAS_BACKEND'] = 'tensorflow'
import numpy as np
import tensorflow as tf

layers = tf.keras.layers


def first_weight(shape):
    size = int(np.prod(shape))
    return (0.05 * np.sin(np.arange(size) * 0.7 + size)).astype(np.float32).reshape(shape)


def columns(model, rows):
    ids = [((np.arange(rows * table['width'], dtype=np.int64) * 104729 + t * 7919) % table['rows']).astype(np.int32).reshape(rows, table['width']) for t, table in enumerate(model['tables'])]
    x = ids + ([np.sin(np.arange(rows)).astype(np.float32).reshape(rows, 1)] if model['hasNumber'] else [])
    return x, (ids[0][:, :1] % 3 == 0).astype(np.float32)


def build(model, steps_per_execution):
    penalty = tf.keras.regularizers.L2(model['l2']) if model['l2'] else None
    ids = [layers.Input((table['width'],), dtype='int32') for table in model['tables']]
    parts = [layers.Flatten()(layers.Embedding(table['rows'], table['units'], embeddings_regularizer=penalty)(one)) for table, one in zip(model['tables'], ids)]
    number = [layers.Input((1,))] if model['hasNumber'] else []
    joined = parts[0] if len(parts + number) == 1 else layers.Concatenate()(parts + number)
    output = layers.Dense(1, activation='sigmoid')(layers.Dense(model['hidden'], activation='relu', kernel_regularizer=penalty)(joined))
    made = tf.keras.Model(ids + number, output)
    for layer in made.layers:
        layer.set_weights([first_weight(weight.shape) for weight in layer.get_weights()])
    optimizer = {'sgd': tf.keras.optimizers.SGD, 'adam': tf.keras.optimizers.Adam}[model['optimizer']](model['learningRate'])
    made.compile(loss='binary_crossentropy', optimizer=optimizer, steps_per_execution=steps_per_execution)
    return made


kept = {}


def fit(command):
    """A model is compiled once and its weights put back: tracing is not what is compared."""
    steps_per_execution = command.get('stepsPerExecution', 1)
    key = json.dumps([command['name'], command['batch'], command['steps'], steps_per_execution])
    if key not in kept:
        kept.clear()
        kept[key] = (build(command['spec'], steps_per_execution), columns(command['spec'], command['batch'] * command['steps']))
        run(command, *kept[key], epochs=1)
    model, data = kept[key]
    for layer in model.layers:
        layer.set_weights([first_weight(weight.shape) for weight in layer.get_weights()])
    for variable in model.optimizer.variables:
        if 'learning_rate' not in variable.path:
            variable.assign(tf.zeros_like(variable))
    cpu, start = time.process_time(), time.perf_counter()
    losses = run(command, model, data, command['epochs'])
    return {'wall': time.perf_counter() - start, 'cpu': time.process_time() - cpu, 'steps': command['steps'] * command['epochs'], 'losses': losses}


def run(command, model, data, epochs):
    x, y = data
    return model.fit(x if len(x) > 1 else x[0], y, batch_size=command['batch'], epochs=epochs, shuffle=False, verbose=0).history['loss']


for line in sys.stdin:
    print(json.dumps(fit(json.loads(line))), flush=True)
