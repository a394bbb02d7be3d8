"""The board's own answers to stored inputs: the same runtime, delegate and threads as what is timed, a process of its
own after everything that is timed. Raw values; what they are worth is computed by the controller."""

from __future__ import annotations

import base64
import faulthandler
import json
import os
import sys
import time
import zlib

from remote.contract_quality import MAX_OUTPUT_BYTES
from remote.process import die_with_parent, pinned_to
from remote.schema import clean
from remote.worker import Voice, failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NoAnswers(Exception):
    """The stored inputs cannot be answered; the message says why."""


def answered(order: dict[str, Any]) -> dict[str, Any]:
    """The record's ``quality``; raises :class:`NoAnswers` with the reason why there is none."""
    if order["env"]:
        sys.path.insert(0, order["env"])
    else:
        sys.dont_write_bytecode = True  # the board's own packages: nothing is written outside of the work folder
    import numpy

    from remote import runtimes
    from remote.runtimes.delegation import prove
    from remote.stored_inputs import inputs_of

    session = runtimes.library(order["runtime"]).load(runtimes.asked_of(order))
    prove(session.describe()["runtime"]["delegate"])
    with numpy.load(order["inputs"], allow_pickle=False) as stored:
        inputs = inputs_of(stored, 0, order["samples"])
    answers, batch, spent_ns = _loop(session, inputs, order["limit_s"])
    name = session.describe()["outputs"][0]["name"]
    _, _, scale, zero_point = session.output_types()[0]
    raw = answers.astype(answers.dtype.newbyteorder("<"), copy=False).tobytes()
    output = {
        "name": name,
        "dtype": answers.dtype.name,
        "shape": list(answers.shape),
        "scale": float(scale) if scale else None,
        "zero_point": int(zero_point) if scale else None,
        "data": base64.b64encode(zlib.compress(raw)).decode("ascii"),
    }
    return {
        "inputs_sha256": order["inputs_sha256"],
        "samples": len(answers),
        "batch": batch,
        "duration_ns": spent_ns,
        "outputs": [output],
    }


def _loop(session: Any, inputs: list[Any], limit_s: float) -> tuple[Any, int, int]:
    """The first output for every sample, as many as time and room allow; samples per call; what the calls took."""
    import numpy

    types = session.input_types()
    if len(types) != len(inputs):
        raise NoAnswers("the model takes %d inputs, the stored ones are %d" % (len(types), len(inputs)))
    batch, samples = int(types[0][0][0]) if types[0][0] else 1, len(inputs[0])
    outputs: list[Any] = []
    begin, spent_ns = time.monotonic(), 0
    for first in range(0, samples, batch):
        session.set_inputs([_shaped(values[first : first + batch], kind) for values, kind in zip(inputs, types)])
        started = time.perf_counter_ns()
        session.call()
        spent_ns += time.perf_counter_ns() - started
        outputs.append(numpy.array(session.get_outputs()[0])[: samples - first])
        size = sum(one.nbytes for one in outputs) + outputs[-1].nbytes
        if size > MAX_OUTPUT_BYTES or time.monotonic() - begin > limit_s:
            break
    if sum(one.nbytes for one in outputs) > MAX_OUTPUT_BYTES:
        raise NoAnswers("a single answer has %.1f MB, which is too much to bring home" % (outputs[0].nbytes / 1e6))
    if not outputs[0].shape:
        raise NoAnswers("the model's first output is a single number, not one per sample")
    return numpy.concatenate(outputs), batch, spent_ns


def _shaped(values: Any, kind: tuple[Any, Any, float, int]) -> Any:
    """A batch as the tensor takes it: of its type, quantized with its own scale, filled up with its last sample."""
    import numpy

    shape, dtype, scale, zero_point = kind
    missing = shape[0] - len(values) if shape else 0
    if missing > 0:
        values = numpy.concatenate([values, numpy.repeat(values[-1:], missing, axis=0)])
    if values.size != int(numpy.prod(shape)):
        raise NoAnswers("the stored inputs have the shape %s, the model takes %s" % (list(values.shape), list(shape)))
    target = numpy.dtype(dtype)
    if target.kind in "iu" and values.dtype.kind == "f":
        limits = numpy.iinfo(target)
        levels = numpy.rint(values / scale) + zero_point if scale else numpy.rint(values)
        values = numpy.clip(levels, limits.min, limits.max)
    return numpy.ascontiguousarray(values.astype(target)).reshape(shape)


def main() -> int:
    """Do what the order on stdin says; the answers, or the reason why there are none, go to the runner."""
    voice = Voice()
    faulthandler.enable()
    order = json.loads(sys.stdin.buffer.readline().decode("utf-8"))
    die_with_parent(order["parent"])
    sys.excepthook = lambda kind, error, trace: voice.say(error=failure("answers", error))
    pinned_to(order["cpus"])
    try:
        voice.say(quality=answered(order), reason=None)
    except NoAnswers as error:
        voice.say(quality=None, reason=clean(str(error), 1000))
    sys.stderr.flush()
    os._exit(0)
