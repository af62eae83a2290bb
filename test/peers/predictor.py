"""Writes SavedModels, frozen graphs and checkpoints with TensorFlow and Keras, and what TensorFlow answers for them.

Usage: predictor.py FOLDER. Prints one JSON object of cases.
"""
import base64
import json
import os
import sys

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import keras
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
folder = sys.argv[1]
tokens = ['SFO', 'JFK', 'LAX', 'ORD', 'São Paulo']
rng = np.random.default_rng(7)
ROWS = 64
origin = [(tokens + ['', 'unknown', 'ZRH', '東京'])[i] for i in rng.integers(0, 9, ROWS)]
distance = rng.normal(700, 400, ROWS).astype(np.float32)
date = rng.integers(-10**12, 10**13, ROWS)
count = rng.integers(-5, 50, ROWS)


def path(name):
    return os.path.join(folder, name)


vocabulary = path('tokens.txt')
with open(vocabulary, 'w', encoding='utf-8') as file:
    file.write('\n'.join(tokens) + '\n')


def outputs(values):
    return {key: {'shape': list(np.shape(value)), 'values': [v.decode() if isinstance(v, bytes) else float(v) for v in np.ravel(value).tolist()]} for key, value in values.items()}


def example(i):
    feature = {
        'distance': tf.train.Feature(float_list=tf.train.FloatList(value=[distance[i]])),
        'date': tf.train.Feature(int64_list=tf.train.Int64List(value=[date[i]])),
    }
    if origin[i] != '':
        feature['origin'] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[origin[i].encode()]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


examples = [example(i) for i in range(ROWS)]
columns = {'origin': origin, 'distance': [float(x) for x in distance], 'date': [str(x) for x in date]}


def tower(origin_in, distance_in, date_in, table):
    """What a TensorFlow 1 program does with raw columns: table, hash buckets, time arithmetic, buckets, embedding, dense."""
    looked_up = table.lookup(origin_in)
    oov = tf.strings.to_hash_bucket_fast(origin_in, 3) + len(tokens)
    index = tf.where(looked_up < 0, oov, looked_up)
    hour = tf.math.floormod(tf.math.floordiv(date_in, 3600000), 24)
    bucket = tf.raw_ops.Bucketize(input=distance_in, boundaries=[100., 500., 900.])
    table_1 = v1.get_variable('embedding', [len(tokens) + 3, 4], initializer=v1.random_normal_initializer(seed=1), partitioner=v1.fixed_size_partitioner(2))
    embedded = v1.nn.embedding_lookup(table_1, index, partition_strategy='div')
    hours = tf.gather(v1.get_variable('hours', [24, 3], initializer=v1.random_normal_initializer(seed=2)), hour)
    features = tf.concat([embedded, hours, tf.one_hot(bucket, 4), tf.expand_dims((distance_in - 700.) / 400., 1)], 1)
    weights = v1.get_variable('weights', [12, 2], initializer=v1.random_normal_initializer(seed=3))
    bias = v1.get_variable('bias', [2], initializer=v1.random_normal_initializer(seed=4), use_resource=True)
    logits = tf.matmul(features, weights) + bias
    label = tf.strings.join(['class-', tf.as_string(tf.argmax(logits, 1))])
    return {'scores': tf.nn.softmax(logits), 'label': label, 'hour': hour, 'bucket': bucket}


def saved_model_v1():
    with tf.Graph().as_default(), v1.Session() as session:
        table = v1.lookup.StaticHashTable(v1.lookup.TextFileInitializer(vocabulary, tf.string, v1.lookup.TextFileIndex.WHOLE_LINE, tf.int64, v1.lookup.TextFileIndex.LINE_NUMBER), -1)
        raw = {'origin': v1.placeholder(tf.string, [None], 'origin'), 'distance': v1.placeholder(tf.float32, [None], 'distance'), 'date': v1.placeholder(tf.int64, [None], 'date')}
        serialized = v1.placeholder(tf.string, [None], 'examples')
        parsed = tf.io.parse_example(serialized, {'origin': tf.io.FixedLenFeature([], tf.string, ''), 'distance': tf.io.FixedLenFeature([], tf.float32), 'date': tf.io.FixedLenFeature([], tf.int64)})
        with v1.variable_scope('model', use_resource=False) as scope:
            from_raw = tower(raw['origin'], raw['distance'], raw['date'], table)
        with v1.variable_scope(scope, reuse=True):
            from_examples = tower(parsed['origin'], parsed['distance'], parsed['date'], table)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        info = v1.saved_model.build_tensor_info
        signature = lambda inputs, outs: v1.saved_model.build_signature_def({k: info(v) for k, v in inputs.items()}, {k: info(v) for k, v in outs.items()}, 'tensorflow/serving/predict')
        builder = v1.saved_model.Builder(path('v1'))
        builder.add_meta_graph_and_variables(session, ['serve'], {
            'serving_default': signature(raw, from_raw),
            'serving_examples': signature({'examples': serialized}, {'scores': from_examples['scores']}),
            # A signature that feeds tensors in the midst of the graph.
            'serving_parsed': signature({k: parsed[k] for k in raw}, {'scores': from_examples['scores']}),
        }, assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS), main_op=v1.tables_initializer())
        builder.save()
        return session.run(from_raw, {raw['origin']: origin, raw['distance']: distance, raw['date']: date})


def frozen_graph():
    """Tables from constants, variables as constants."""
    with tf.Graph().as_default(), v1.Session() as session:
        table = v1.lookup.StaticHashTable(v1.lookup.KeyValueTensorInitializer(tf.constant(tokens), tf.range(len(tokens), dtype=tf.int64)), -1)
        raw = {'origin': v1.placeholder(tf.string, [None], 'origin'), 'distance': v1.placeholder(tf.float32, [None], 'distance'), 'date': v1.placeholder(tf.int64, [None], 'date')}
        results = tower(raw['origin'], raw['distance'], raw['date'], table)
        named = {key: tf.identity(value, 'out_' + key) for key, value in results.items()}
        init = v1.tables_initializer(name='init_tables')
        session.run([v1.global_variables_initializer(), init])
        graph = v1.graph_util.convert_variables_to_constants(session, session.graph_def, [v.op.name for v in named.values()] + ['init_tables'])
        with open(path('frozen.pb'), 'wb') as file:
            file.write(graph.SerializeToString())
        return session.run(results, {raw['origin']: origin, raw['distance']: distance, raw['date']: date})


class Module(tf.Module):
    """TensorFlow 2: variables and tables captured by nested functions."""

    def __init__(self):
        super().__init__()
        self.table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), len(tokens))
        self.embedding = tf.Variable(tf.random.stateless_normal([len(tokens) + 1, 3], [1, 2]), name='embedding')
        self.kernel = tf.Variable(tf.random.stateless_normal([4, 2], [3, 4]), name='kernel')

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.float32)])
    def features(self, origin, distance):
        return tf.concat([tf.nn.embedding_lookup(self.embedding, self.table.lookup(origin)), distance[:, tf.newaxis] / 1000.], 1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'origin'), tf.TensorSpec([None], tf.float32, 'distance')])
    def score(self, origin, distance):
        top, index = tf.math.top_k(tf.matmul(self.features(origin, distance), self.kernel), 1)
        return {'top': top, 'index': index, 'hot': tf.strings.upper(origin)}


def module():
    model = Module()
    tf.saved_model.save(model, path('module'), signatures={'serving_default': model.score})
    return {key: value.numpy() for key, value in model.score(tf.constant(origin), tf.constant(distance)).items()}


def keras_model():
    origin_in = keras.Input((1,), dtype='string', name='origin')
    distance_in = keras.Input((1,), name='distance')
    count_in = keras.Input((1,), dtype='int64', name='count')
    lookup = keras.layers.StringLookup(vocabulary=tokens, num_oov_indices=2, mask_token='')
    integers = keras.layers.IntegerLookup(vocabulary=[1, 5, 7, 20], output_mode='one_hot')
    normal = keras.layers.Normalization(mean=700., variance=160000.)
    buckets = keras.layers.Discretization(bin_boundaries=[100., 500., 900.], output_mode='one_hot')
    hashed = keras.layers.Hashing(8, output_mode='one_hot')
    embedded = keras.layers.Flatten()(keras.layers.Embedding(9, 3)(lookup(origin_in)))
    joined = keras.layers.Concatenate()([embedded, integers(count_in), normal(distance_in), buckets(distance_in), hashed(origin_in)])
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8, activation='gelu')(joined))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(6, activation='elu')(hidden))
    result = keras.layers.Dense(1, activation='sigmoid', name='probability')(hidden)
    keras.utils.set_random_seed(3)
    model = keras.Model([origin_in, distance_in, count_in], {'probability': result})
    model.export(path('keras'), verbose=False)
    loaded = tf.saved_model.load(path('keras')).signatures['serving_default']
    answer = loaded(origin=tf.constant(origin)[:, None], distance=tf.constant(distance)[:, None], count=tf.constant(count)[:, None])
    return {key: value.numpy() for key, value in answer.items()}


def image_model():
    keras.utils.set_random_seed(5)
    model = keras.Sequential([
        keras.Input((12, 12, 3), name='image'), keras.layers.Conv2D(4, 3, activation='relu'), keras.layers.MaxPooling2D(), keras.layers.DepthwiseConv2D(2, padding='same'),
        keras.layers.LayerNormalization(), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation='softmax'),
    ])
    model.export(path('image'), verbose=False)
    images = rng.random((2, 12, 12, 3), dtype=np.float32)
    return images, {'output_0': model(images).numpy()}


def adapted_model():
    """A table filled from the checkpoint (an adapted layer keeps its vocabulary in a mutable table)."""
    lookup = keras.layers.StringLookup()
    lookup.adapt(np.array(origin))
    model = keras.Sequential([keras.Input((1,), dtype='string', name='origin'), lookup])
    model.export(path('adapted'), verbose=False)
    return {'output_0': model(tf.constant(origin)[:, None]).numpy()}


def unsupported():
    class Sorter(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'text')])
        def split(self, text):
            return {'words': tf.strings.unicode_decode(text, 'UTF-8').to_tensor()}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'text')])
        def length(self, text):
            return {'length': tf.strings.length(text)}

    model = Sorter()
    tf.saved_model.save(model, path('unsupported'), signatures={'serving_default': model.split, 'length': model.length})


def checkpoint():
    values = {
        'floats': np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), 'doubles': np.array([1e300, -0.5]), 'ints': np.array([[-2**31], [2**31 - 1]], np.int32),
        'longs': np.array([-2**63, 2**63 - 1, 7]), 'bytes': np.array([0, 255], np.uint8), 'flags': np.array([True, False, True]), 'shorts': np.array([-7, 7], np.int16),
        'halves': np.array([1.5, -2, 65504], np.float16), 'scalar': np.float32(3.25), 'empty': np.zeros((0, 3), np.float32), 'text': np.array([b'', b'\xff\x00', 'naïve'.encode()], object),
        'long text': np.array([b'x' * 300, b'y']),
    }
    names = list(values)
    first, second = names[:6], names[6:]
    # Two shards, and one tensor in slices over both.
    table = np.arange(40, dtype=np.float32).reshape(10, 4)
    tf.raw_ops.SaveV2(prefix=path('part-0'), tensor_names=first + ['sliced'], shape_and_slices=[''] * len(first) + ['10 4 0,7:-'], tensors=[tf.constant(values[n]) for n in first] + [table[:7]])
    tf.raw_ops.SaveV2(prefix=path('part-1'), tensor_names=second + ['sliced'], shape_and_slices=[''] * len(second) + ['10 4 7,3:-'], tensors=[tf.constant(values[n]) for n in second] + [table[7:]])
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[path('part-0'), path('part-1')], destination_prefix=path('ckpt'), delete_old_dirs=False)
    values['sliced'] = table

    def dump(value):
        array = np.asarray(value)
        if array.dtype == object or array.dtype.kind == 'S':
            return {'dtype': 'string', 'shape': list(array.shape), 'strings': [base64.b64encode(v).decode() for v in array.ravel().tolist()]}
        return {'dtype': str(array.dtype), 'shape': list(array.shape), 'bytes': base64.b64encode(array.tobytes()).decode()}

    return {name: dump(value) for name, value in values.items()}


answer_v1 = saved_model_v1()
answer_frozen = frozen_graph()
answer_module = module()
answer_keras = keras_model()
images, answer_image = image_model()
answer_adapted = adapted_model()
unsupported()
print(json.dumps({
    'columns': columns,
    'count': [int(x) for x in count],
    'examples': [base64.b64encode(e).decode() for e in examples],
    'images': images.ravel().tolist(),
    'v1': outputs(answer_v1),
    'frozen': outputs(answer_frozen),
    'module': outputs(answer_module),
    'keras': outputs(answer_keras),
    'image': outputs(answer_image),
    'adapted': outputs(answer_adapted),
    'checkpoint': checkpoint(),
}))
