# A TensorFlow server of a cluster in Python, driven from Node like any other.
#
#   docker build -f python.Dockerfile --build-arg TENSORFLOW=2.21.0 -t tensorflow-task:2.21.0 .
#   docker run --network host -e TF_CONFIG='{"cluster": {…}, "task": {"type": "worker", "index": 0}}' tensorflow-task:2.21.0
FROM python:3.12.11-slim-bookworm
ARG TENSORFLOW=2.21.0
RUN pip install --no-cache-dir "tensorflow-cpu==${TENSORFLOW}"
ENV TF_CPP_MIN_LOG_LEVEL=1 CUDA_VISIBLE_DEVICES=""
RUN useradd --create-home task
USER task
CMD ["python", "-c", "import json, os, tensorflow as tf; config = json.loads(os.environ['TF_CONFIG']); tf.distribute.Server(config['cluster'], job_name=config['task']['type'], task_index=config['task']['index'], protocol='grpc').join()"]
