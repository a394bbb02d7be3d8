"""Writes a ``.graphdef`` artifact: two inputs, two outputs. In a process of its own, since it loads TensorFlow."""

import json
import struct
import sys
from pathlib import Path

import tensorflow as tf

with tf.Graph().as_default() as graph:
    image = tf.compat.v1.placeholder(tf.float32, (1, 4), name="image")
    shift = tf.compat.v1.placeholder(tf.float32, (1, 3), name="shift")
    weights = tf.constant([[1.0, 0, 2], [0, 1, 0], [3, 0, 1], [0, 2, 0]])
    logits = tf.add(tf.matmul(image, weights), shift, name="logits")
    tf.nn.softmax(logits, name="scores")
names = json.dumps({"inputs": ["image:0", "shift:0"], "outputs": ["scores:0", "logits"]}).encode()
content = struct.pack("<Q", len(names)) + names + graph.as_graph_def().SerializeToString()
Path(sys.argv[1]).write_bytes(content)
