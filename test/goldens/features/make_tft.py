"""Writes tensorflow-transform.json with the real TensorFlow Transform: python make_tft.py PATH/TO/vega-datasets/data/airports.csv

Needs `pip install tensorflow-transform` (1.21 or newer), which brings Apache Beam: an environment of its own, not the peers' one.
"""
import csv
import json
import os
import sys
import tempfile

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

HERE = os.path.dirname(os.path.abspath(__file__))
EDGES = ['', '', '', 'a\nb', 'a\rb', ' ', ' x', 'é', 'e', 'ﬀ', '🛬', 'Z', 'z', 'zz', 'aa', 'aa', 'a', 'São Paulo', '東京', '東京', '\t']

with open(sys.argv[1], newline='', encoding='utf-8') as file:
    ROWS = list(csv.DictReader(file))
DATA = [
    {
        'row': i, 'state': row['state'], 'city': row['city'], 'edges': EDGES[i % len(EDGES)],
        'latitude': float(row['latitude']), 'longitude': float(row['longitude']),
        'holes': [float('nan'), float('inf'), 1.0, 2.5, -7.0][i % 5], 'same': 4.0,
    }
    for i, row in enumerate(ROWS)
]
TEXTS, NUMBERS = ['state', 'city', 'edges'], ['latitude', 'longitude', 'holes', 'same']
SPEC = {'row': tf.io.FixedLenFeature([], tf.int64), **{name: tf.io.FixedLenFeature([], tf.string) for name in TEXTS}, **{name: tf.io.FixedLenFeature([], tf.float32) for name in NUMBERS}}


def preprocess(inputs):
    outputs = {'row': inputs['row']}
    for name in TEXTS:
        outputs[f'{name}_all'] = tft.compute_and_apply_vocabulary(inputs[name], vocab_filename=f'{name}_all', num_oov_buckets=5)
        outputs[f'{name}_top'] = tft.compute_and_apply_vocabulary(inputs[name], vocab_filename=f'{name}_top', top_k=20, num_oov_buckets=5)
        outputs[f'{name}_frequent'] = tft.compute_and_apply_vocabulary(inputs[name], vocab_filename=f'{name}_frequent', frequency_threshold=3, num_oov_buckets=1)
        outputs[f'{name}_hashed'] = tft.hash_strings(inputs[name], hash_buckets=1000)
    for name in NUMBERS:
        outputs[f'{name}_mean'] = tf.zeros_like(inputs[name]) + tft.mean(inputs[name])
        outputs[f'{name}_variance'] = tf.zeros_like(inputs[name]) + tft.var(inputs[name])
    for name in ['latitude', 'longitude', 'same']:
        outputs[f'{name}_scaled'] = tft.scale_to_0_1(inputs[name])
        outputs[f'{name}_standardized'] = tft.scale_to_z_score(inputs[name])
    return outputs


def main():
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    with tempfile.TemporaryDirectory() as folder, tft_beam.Context(temp_dir=os.path.join(folder, 'temp')):
        (transformed, _), function = (DATA, metadata) | tft_beam.AnalyzeAndTransformDataset(preprocess)
        function | tft_beam.WriteTransformFn(os.path.join(folder, 'out'))
        output = tft.TFTransformOutput(os.path.join(folder, 'out'))
        vocabularies = {
            f'{name}_{choice}': [token.decode() for token in output.vocabulary_by_name(f'{name}_{choice}')]
            for name in TEXTS for choice in ['all', 'top', 'frequent']
        }
    # Beam promises no order.
    rows = sorted(transformed, key=lambda row: row['row'])[::37]
    columns = {name: [np.asarray(row[name]).item() for row in rows] for name in rows[0] if name != 'row'}
    columns = {name: [value if isinstance(value, int) or np.isfinite(value) else str(value) for value in values] for name, values in columns.items()}
    with open(os.path.join(HERE, 'tensorflow-transform.json'), 'w', encoding='utf-8') as file:
        json.dump({
            'versions': {'tensorflow_transform': tft.__version__, 'tensorflow': tf.__version__, 'apache_beam': beam.__version__},
            'edges': EDGES, 'every': 37, 'vocabularies': vocabularies, 'columns': columns,
        }, file, ensure_ascii=True, separators=(',', ':'))
        file.write('\n')


if __name__ == '__main__':
    main()
