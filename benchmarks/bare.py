"""What a shell script per board does: load, warm up, time invoke in a loop. Standard library and the runtime only.

Arguments: environment folder, model file, warm-up seconds, window seconds, end-to-end seconds. Prints one JSON line.
"""

import gc
import json
import sys
import time

environment, model, *seconds = sys.argv[1:]
warmup_s, window_s, end_to_end_s = map(float, seconds)
sys.path.insert(0, environment)
clock = time.perf_counter_ns
begin = clock()
import numpy as np  # noqa: E402 - after the path is set
from ai_edge_litert.interpreter import Interpreter  # noqa: E402

imported = clock()
interpreter = Interpreter(model_path=model, num_threads=1)
interpreter.allocate_tensors()
detail, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
image = np.random.default_rng(0).uniform(-1, 1, detail["shape"]).astype(detail["dtype"])
interpreter.set_tensor(detail["index"], image)
loaded = clock()


def loop(length_s: float, whole: bool) -> list[int]:
    samples, end = [], clock() + int(length_s * 1e9)
    while clock() < end:
        t0 = clock()
        if whole:
            interpreter.set_tensor(detail["index"], image)
        interpreter.invoke()
        if whole:
            interpreter.get_tensor(out["index"])
        samples.append(clock() - t0)
    return samples


loop(warmup_s, False)
gc.disable()
invoke_ns = loop(window_s, False)
loop(end_to_end_s, True)
done = clock()
print(json.dumps({"invoke_ns": invoke_ns, "inside_ns": done - begin, "load_ns": loaded - imported}))
