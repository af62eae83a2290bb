# A task of a cluster in Node: its TensorFlow server, and, with a program of yours, what feeds and drives it.
#
#   docker build -f node.Dockerfile --build-arg MILLRACE=0.1.0 --build-arg TENSORFLOW=2.21.0 -t millrace-task:2.21.0 .
#   docker run --network host -e TF_CONFIG='{"cluster": {…}, "task": {"type": "ps", "index": 0}}' millrace-task:2.21.0
#
# A template for when this version of @millrace/distributed is published; until then give npm install the files that npm pack makes of its
# packages. libtensorflow comes from TensorFlow's own wheel: its files alone, no Python is in the image. Versions are pinned, so that the jobs of a
# cluster can be upgraded one at a time; the TensorFlow of all tasks should have the same major version.
FROM python:3.12.11-slim-bookworm AS tensorflow
ARG TENSORFLOW=2.21.0
RUN pip download --no-deps --dest /wheel "tensorflow==${TENSORFLOW}" \
  && python -m zipfile -e /wheel/*.whl /unpacked \
  && mkdir -p /tensorflow && cp /unpacked/tensorflow/libtensorflow_*.so.* /tensorflow/

FROM node:20.20.0-bookworm-slim
ARG MILLRACE=0.1.0
WORKDIR /app
RUN npm install --omit=dev "@millrace/distributed@${MILLRACE}" "@tensorflow/tfjs@4.22.0" "koffi@3.3.4"
COPY --from=tensorflow /tensorflow /opt/tensorflow
ENV LIBTENSORFLOW=/opt/tensorflow TF_CPP_MIN_LOG_LEVEL=1
USER node
# Serves until it is ended. For a program that calls trainOnCluster(model, clusterFromEnv(), …): CMD ["node", "train.js"]
CMD ["npx", "--no-install", "millrace-server"]
