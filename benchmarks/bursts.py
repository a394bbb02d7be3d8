"""Several models in one process, in short bursts in turn, so that all see the same neighbours of a shared machine.

Arguments: folder of packages, bursts of each, model files. Prints the median nanoseconds of each as one JSON line.
"""

import json
import random
import statistics
import sys
import time

packages, bursts, *models = sys.argv[1:]
sys.path.insert(0, packages)
import numpy as np  # noqa: E402 - after the path is set
from ai_edge_litert.interpreter import Interpreter  # noqa: E402

WARM, TIMED = 3, 12
"""Calls of a burst: the first find the weights of another model in the caches."""


def loaded(model: str) -> Interpreter:
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    image = np.random.default_rng(0).uniform(-1, 1, detail["shape"]).astype(detail["dtype"])
    interpreter.set_tensor(detail["index"], image)
    return interpreter


interpreters = [loaded(model) for model in models]
found: list[list[int]] = [[] for _ in models]
for _ in range(int(bursts)):
    for place in random.sample(range(len(models)), len(models)):
        for number in range(WARM + TIMED):
            begin = time.perf_counter_ns()
            interpreters[place].invoke()
            if number >= WARM:
                found[place].append(time.perf_counter_ns() - begin)
print(json.dumps([statistics.median(some) for some in found]))
